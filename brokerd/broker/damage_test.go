package broker_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/strandlog/strand/brokerd/broker"
	"github.com/strandlog/strand/brokerd/shard"
	"github.com/strandlog/strand/commitlog"
)

// damage is what happens to one file of a node that is down.
type damage struct {
	name string
	do   func(data []byte) []byte // nil: the file is gone
}

// leap flips a bit of a message's sequence that moves it far ahead: an engine that was left alone with it would count through the gap for ever.
var leap = damage{"leap", func(data []byte) []byte {
	var records []int
	for at := 0; at+12 <= len(data); at += int(binary.LittleEndian.Uint32(data[at:]) &^ (1 << 31)) {
		records = append(records, at)
	}
	data[records[rand.IntN(len(records))]+4+3+rand.IntN(5)] ^= 1 << rand.IntN(6)
	return data
}}

var damages = []damage{
	{"flipped bit", func(data []byte) []byte {
		data[rand.IntN(len(data))] ^= 1 << rand.IntN(8)
		return data
	}},
	{"truncated tail", func(data []byte) []byte { return data[:rand.IntN(len(data))] }},
	{"zeroed page", func(data []byte) []byte {
		at := rand.IntN(len(data)) &^ 4095
		clear(data[at:min(at+4096, len(data))])
		return data
	}},
	{"gone", func([]byte) []byte { return nil }},
}

// filled is a data directory with known content, made once and copied for each round.
type filled struct {
	dir    string
	topic  commitlog.Topic
	events int
}

func valueOf(i int) string { return fmt.Sprintf("event %d %s", i, strings.Repeat("x", 150+i%100)) }

// fillNode runs a node until it holds some events of a few streams, and closes it.
func fillNode(t *testing.T, events int) filled {
	t.Helper()
	b := start(t, broker.Config{Dir: t.TempDir()})
	topic, err := b.Client().CreateTopic(t.Context(), commitlog.TopicConfig{Name: "events", Partitions: 1})
	if err != nil {
		t.Fatal(err)
	}
	for i := range events {
		a := oneEvent(fmt.Sprintf("s-%d", i%3), commitlog.Expected(i/3))
		a.Writes[0].Events[0].Value = []byte(valueOf(i))
		if _, err := b.Client().Append(t.Context(), topic, a); err != nil {
			t.Fatal(err)
		}
	}
	if err := b.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	return filled{b.Dir(), topic, events}
}

// files are all that the node keeps below a part of its directory, but for those that are empty.
func files(t *testing.T, dir string) (paths []string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || d.Name() == "LOCK" {
			return err
		}
		if info, err := d.Info(); err != nil || info.Size() == 0 {
			return err
		}
		paths = append(paths, path)
		return nil
	})
	if err != nil || len(paths) == 0 {
		t.Fatalf("no files in %s: %v", dir, err)
	}
	return paths
}

// TestDamage damages one file of a node at a time: every file of the engine, of the catalogue's log too, and of the caches; flipped bits, truncated tails,
// zeroed pages, missing files. Then the node is started, everything is read, and something is appended. All that was acknowledged is there, or
// somebody says that it is not: nothing is skipped, and no other bytes are answered.
func TestDamage(t *testing.T) {
	from := fillNode(t, 60)
	var mu sync.Mutex
	outcomes := map[string]int{}
	carryOut := func(t *testing.T, kind, path string, d damage) {
		t.Helper()
		dir := filepath.Join(t.TempDir(), "data")
		if err := os.CopyFS(dir, os.DirFS(from.dir)); err != nil {
			t.Fatal(err)
		}
		target := filepath.Join(dir, path)
		before, err := os.ReadFile(target)
		if err != nil {
			t.Fatal(err)
		}
		after := d.do(bytes.Clone(before))
		if after == nil {
			err = os.Remove(target)
		} else {
			err = os.WriteFile(target, after, 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
		if kind == "log without caches" { // so that all of the log is read
			if err := os.RemoveAll(filepath.Join(dir, "shards", from.topic.ID.String()+"-0", "index")); err != nil {
				t.Fatal(err)
			}
		}
		outcome := readDamaged(t, dir, from, d.name+" in "+path)
		mu.Lock()
		defer mu.Unlock()
		outcomes[kind+": "+outcome]++
	}
	type damaging struct {
		kind, path string
		damage
	}
	var rounds []damaging
	round := func(kind, path string, d damage) { rounds = append(rounds, damaging{kind, path, d}) }
	relative := func(part string) (paths []string) {
		for _, path := range files(t, filepath.Join(from.dir, part)) {
			rel, err := filepath.Rel(from.dir, path)
			if err != nil {
				t.Fatal(err)
			}
			paths = append(paths, rel)
		}
		return paths
	}
	log, caches := relative("log"), relative("shards")
	blocks := slices.DeleteFunc(slices.Clone(log), func(p string) bool { return !strings.HasSuffix(p, ".blk") })
	for i := range full(13, 200) { // where the events are
		path := blocks[i%len(blocks)]
		round("log", path, damages[0])
		round("log without caches", path, damages[i%3])
		round("leaps", path, leap)
	}
	for i, path := range log {
		for range full(1, 20) {
			round("log", path, damages[0])
			round("log", path, damages[1+i%3])
		}
	}
	for i, path := range caches {
		for range full(1, 10) {
			if i%3 == 0 || full(0, 1) == 1 {
				round("caches", path, damages[rand.IntN(len(damages))])
			}
		}
	}
	t.Run("rounds", func(t *testing.T) { // side by side: most of a round is waiting for the disk
		for i, r := range rounds {
			t.Run(fmt.Sprint(i), func(t *testing.T) {
				t.Parallel()
				carryOut(t, r.kind, r.path, r.damage)
			})
		}
	})
	n := 0
	for _, what := range slices.Sorted(maps.Keys(outcomes)) {
		t.Logf("%3d %s", outcomes[what], what)
		n += outcomes[what]
	}
	if n < 25 {
		t.Errorf("only %d rounds: the test proves little", n)
	}
	if outcomes["log without caches: the topic says so"] == 0 {
		t.Error("no damage was ever met: the test proves nothing")
	}
	if outcomes["leaps: the node refuses"]+outcomes["leaps: the topic says so"] == 0 {
		t.Error("no leap was ever met: the test proves nothing of them")
	}
}

// TestLeapInTheLog: a topic whose log claims a sequence far ahead, in a block that the engine does not read by itself, answers with the place, and the
// other topics serve on.
func TestLeapInTheLog(t *testing.T) {
	dir := t.TempDir()
	b := start(t, broker.Config{Dir: dir})
	var topics []commitlog.Topic
	for _, name := range []string{"damaged", "sound"} {
		topic, err := b.Client().CreateTopic(t.Context(), commitlog.TopicConfig{Name: name, Partitions: 1})
		if err != nil {
			t.Fatal(err)
		}
		topics = append(topics, topic)
	}
	for i := range 20 { // several blocks
		for _, topic := range topics {
			a := oneEvent("s", commitlog.Expected(i))
			a.Writes[0].Events[0].Value = bytes.Repeat([]byte("x"), 900_000)
			if _, err := b.Client().Append(t.Context(), topic, a); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := b.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	blocks, err := filepath.Glob(filepath.Join(dir, "log", "jetstream", "LOG", "streams", "*"+topics[0].ID.String()+"*", "msgs", "*.blk"))
	if err != nil || len(blocks) < 2 {
		t.Fatalf("%d blocks: %v", len(blocks), err)
	}
	data, err := os.ReadFile(blocks[0])
	if err != nil {
		t.Fatal(err)
	}
	at := int(binary.LittleEndian.Uint32(data) &^ (1 << 31)) // the second record
	data[at+4+6] ^= 1
	if err := os.WriteFile(blocks[0], data, 0o600); err != nil {
		t.Fatal(err)
	}
	past := time.Now().Add(-time.Minute) // damage does not tell when it happened
	if err := os.Chtimes(blocks[0], past, past); err != nil {
		t.Fatal(err)
	}
	if err := os.RemoveAll(filepath.Join(dir, "shards", topics[0].ID.String()+"-0")); err != nil { // so that all of the log is read
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	began := time.Now()
	b = start(t, broker.Config{Dir: dir})
	if _, err = b.Client().Append(ctx, topics[0], oneEvent("s", 20)); !errors.Is(err, commitlog.ErrCorrupt) || !strings.Contains(err.Error(), blocks[0]) {
		t.Errorf("appending behind the damage: %v", err)
	}
	for _, e := range b.Client().Records(ctx, topics[0], 0, commitlog.Range{}) {
		err = e
	}
	if !errors.Is(err, commitlog.ErrCorrupt) || !strings.Contains(err.Error(), blocks[0]) || !strings.Contains(err.Error(), fmt.Sprintf("byte %d", at)) {
		t.Errorf("reading the damage: %v", err)
	}
	if took := time.Since(began); took > 2*time.Second {
		t.Errorf("the damage was told after %v", took)
	}
	if _, err := b.Client().Append(t.Context(), topics[1], oneEvent("s", 20)); err != nil {
		t.Errorf("the other topic: %v", err)
	}
}

// readDamaged starts a node on a damaged directory and says how it took it.
func readDamaged(t *testing.T, dir string, from filled, where string) (outcome string) {
	t.Helper()
	b, err := broker.Start(t.Context(), broker.Config{Dir: dir})
	if err != nil { // loudly
		if len(err.Error()) < 20 {
			t.Errorf("%s: the node refuses with %v", where, err)
		}
		return "the node refuses"
	}
	defer func() {
		if err := b.Close(t.Context()); err != nil && outcome == "healed" {
			t.Errorf("%s: closing: %v", where, err)
		}
	}()
	said := func(err error) bool {
		return errors.Is(err, commitlog.ErrCorrupt) || errors.Is(err, commitlog.ErrLogDiverged) || errors.Is(err, shard.ErrCorrupt)
	}
	n := 0
	for r, err := range b.Client().Records(t.Context(), from.topic, 0, commitlog.Range{}) {
		switch {
		case said(err):
			return "the topic says so"
		case err != nil:
			t.Errorf("%s: after %d records: %v", where, n, err)
			return "failed"
		case string(r.Value) != valueOf(n):
			t.Errorf("%s: record %d is %.30q", where, n, r.Value)
			return "failed"
		}
		n++
	}
	if n != from.events {
		t.Errorf("%s: %d of %d records without an error", where, n, from.events)
		return "failed"
	}
	for s := range 3 {
		i := s
		for r, err := range b.Client().Stream(t.Context(), from.topic, commitlog.StreamQuery{Stream: fmt.Sprintf("s-%d", s)}) {
			if err != nil || string(r.Value) != valueOf(i) {
				t.Errorf("%s: stream s-%d, version %d: %.30q, %v", where, s, r.Version, r.Value, err)
				return "failed"
			}
			i += 3
		}
		if i != from.events+s {
			t.Errorf("%s: stream s-%d ends after %d events", where, s, i/3)
		}
		if _, err := b.Client().Append(t.Context(), from.topic, oneEvent(fmt.Sprintf("s-%d", s), commitlog.Expected(from.events/3))); err != nil {
			t.Errorf("%s: appending to stream s-%d: %v", where, s, err)
		}
	}
	return "healed"
}
