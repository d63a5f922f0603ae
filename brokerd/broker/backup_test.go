package broker_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/strandlog/strand/brokerd/broker"
	"github.com/strandlog/strand/commitlog"
	"github.com/strandlog/strand/eventstore"
	"github.com/strandlog/strand/projections"
)

// TestBackup takes a backup of a node under load, and restores it into an empty directory: the same records at the same offsets, a prefix of what
// the node held, with every append whole.
func TestBackup(t *testing.T) {
	b := start(t, broker.Config{})
	topic, err := b.Client().CreateTopic(t.Context(), commitlog.TopicConfig{Name: "events", Partitions: 4, Shards: 2})
	if err != nil {
		t.Fatal(err)
	}
	a := newAcked()
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	var group sync.WaitGroup
	for i := range 4 {
		group.Go(func() { a.write(ctx, b.Client(), topic, i) })
	}
	for range 100 {
		<-a.progress
	}
	a.mu.Lock()
	before := maps.Clone(a.byID)
	a.mu.Unlock()
	dir := filepath.Join(t.TempDir(), "backup")
	if _, err := b.Backup(t.Context(), dir); err != nil {
		t.Fatal(err)
	}
	for range 20 { // the node serves on
		<-a.progress
	}
	stop()
	group.Wait()

	data := filepath.Join(t.TempDir(), "data")
	m, err := broker.Restore(t.Context(), dir, broker.Config{Dir: data}, nil)
	if err != nil {
		t.Fatal(err)
	}
	r := start(t, broker.Config{Dir: data})
	restored, err := r.Client().Topic(t.Context(), "events")
	if err != nil {
		t.Fatal(err)
	}
	if restored.ID != topic.ID || restored.LogID == topic.LogID || !restored.Created.Equal(topic.Created) || restored.Shards != 2 {
		t.Errorf("restored as %+v, was %+v", restored, topic)
	}
	// What was acknowledged before the backup is in it; what came later may be, from the front and without a gap.
	all := newAcked()
	all.byID, all.indefinite, all.refused = before, a.indefinite, a.refused
	for id := range a.byID {
		all.indefinite[id] = true
	}
	all.check(t, r.Client(), restored)
	n := int64(0)
	for p := range restored.Partitions {
		next := recordsOf(t, r.Client(), restored, int32(p))
		was := recordsOf(t, b.Client(), topic, int32(p))
		if diff := cmp.Diff(was[:len(next)], next); diff != "" {
			t.Errorf("partition %d is no prefix of what it was (-was +restored):\n%s", p, diff)
		}
		if restored.Partitions[p].Epoch <= topic.Partitions[p].Epoch {
			t.Errorf("partition %d: epoch %d after %d", p, restored.Partitions[p].Epoch, topic.Partitions[p].Epoch)
		}
		n += int64(len(next))
	}
	if kept := m.Topics[0].Shard[0].Records + m.Topics[0].Shard[1].Records; kept != n || n < int64(len(before)) {
		t.Errorf("%d records restored, %d in the backup, %d acknowledged before it", n, kept, len(before))
	}
	t.Logf("%d records restored, %d were acknowledged before the backup, %d after it", n, len(before), len(a.byID))
	if _, err := r.Client().Append(t.Context(), restored, oneEvent("new-1", commitlog.NoStream)); err != nil {
		t.Error(err)
	}
	if report, err := broker.VerifyLive(t.Context(), r.Client(), nil); err != nil || report.Damage {
		t.Errorf("verifying what was restored: %+v, %v", report, err)
	}
}

func recordsOf(t *testing.T, client *commitlog.Client, topic commitlog.Topic, partition int32) (records []string) {
	t.Helper()
	for r, err := range client.Records(t.Context(), topic, partition, commitlog.Range{}) {
		if err != nil {
			t.Fatal(err)
		}
		records = append(records, fmt.Sprintf("%d %s %s %x", r.Offset, r.Time, r.Key, r.Headers))
	}
	return records
}

// TestRestoredLogHaltsItsConsumers: a consumer that was further than the backup stops with LOG_DIVERGED, at once and also after other events have taken
// the offsets that it knew, and so does a cursor. A projection that is rebuilt follows the restored log.
func TestRestoredLogHaltsItsConsumers(t *testing.T) {
	type balance struct{ Amount int }
	fold := func(b *balance, e eventstore.Recorded[deposited]) { b.Amount += e.Data.Amount }
	balances := projections.Define("balances", projections.Fold(fold))
	sink := projections.NewMemory[balance]()
	open := func(b *broker.Broker) *eventstore.Store {
		store, err := eventstore.Open(t.Context(), b.Client(), eventstore.Config{}, account)
		if err != nil {
			t.Fatal(err)
		}
		return store
	}
	deposit := func(store *eventstore.Store, n int) {
		for range n {
			if _, err := store.Append(t.Context(), "account-alice", eventstore.Any, deposited{1}); err != nil {
				t.Fatal(err)
			}
		}
	}
	b := start(t, broker.Config{})
	store := open(b)
	deposit(store, 10)
	backup := filepath.Join(t.TempDir(), "backup")
	if _, err := b.Backup(t.Context(), backup); err != nil {
		t.Fatal(err)
	}
	deposit(store, 5)
	if err := projections.CatchUp(t.Context(), store, balances, sink); err != nil {
		t.Fatal(err)
	}
	cursor, err := store.End(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := b.Close(t.Context()); err != nil {
		t.Fatal(err)
	}

	dir := filepath.Join(t.TempDir(), "data")
	if _, err := broker.Restore(t.Context(), backup, broker.Config{Dir: dir}, nil); err != nil {
		t.Fatal(err)
	}
	store = open(start(t, broker.Config{Dir: dir}))
	halts := func(when string) {
		t.Helper()
		if err := projections.CatchUp(t.Context(), store, balances, sink); !errors.Is(err, projections.ErrLogDiverged) || !strings.Contains(err.Error(), "LOG_DIVERGED") {
			t.Errorf("%s the consumer goes on: %v", when, err)
		}
		for _, err := range store.All(t.Context(), eventstore.After(cursor)) {
			if !errors.Is(err, eventstore.ErrUnreachable) {
				t.Errorf("%s the cursor is taken: %v", when, err)
			}
			break
		}
		if alice, _ := sink.Get("alice"); alice.Amount != 15 {
			t.Errorf("%s the read model has %d", when, alice.Amount)
		}
	}
	halts("after the restore")
	deposit(store, 20)
	halts("after other events took its offsets")
	if err := projections.Rebuild(t.Context(), store, balances, sink); err != nil {
		t.Fatal(err)
	}
	if alice, _ := sink.Get("alice"); alice.Amount != 30 {
		t.Errorf("after the rebuild the read model has %d, want 10 of the backup and 20 since", alice.Amount)
	}
}

// TestRestoreRefuses: a backup that is not what was written, a directory that is in use, and a restore that was cut off.
func TestRestoreRefuses(t *testing.T) {
	from := fillNode(t, 30)
	b := start(t, broker.Config{Dir: from.dir})
	backup := filepath.Join(t.TempDir(), "backup")
	if _, err := b.Backup(t.Context(), backup); err != nil {
		t.Fatal(err)
	}
	if _, err := b.Backup(t.Context(), backup); err == nil || !strings.Contains(err.Error(), "not empty") {
		t.Errorf("a backup over a backup: %v", err)
	}
	if _, err := broker.Restore(t.Context(), backup, broker.Config{Dir: from.dir}, nil); err == nil || !strings.Contains(err.Error(), "not empty") {
		t.Errorf("a restore over a node: %v", err)
	}
	for _, path := range files(t, backup) {
		good, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range damages[:3] {
			damaged := d.do([]byte(string(good)))
			if filepath.Base(path) == "backup.json" { // white space and the case of keys mean nothing there
				damaged = []byte(strings.Replace(string(good), `"frames": `, `"frames": 1`, 1))
			}
			if err := os.WriteFile(path, damaged, 0o600); err != nil {
				t.Fatal(err)
			}
			to := filepath.Join(t.TempDir(), "data")
			if _, err := broker.Restore(t.Context(), backup, broker.Config{Dir: to}, nil); !errors.Is(err, broker.ErrBackupDamaged) {
				t.Errorf("%s in %s: %v", d.name, path, err)
			}
			if _, err := os.Stat(to); !errors.Is(err, os.ErrNotExist) {
				t.Errorf("%s in %s: something was written before the checksums were compared", d.name, path)
			}
		}
		if err := os.WriteFile(path, good, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	to := filepath.Join(t.TempDir(), "data")
	ctx, cancel := context.WithCancel(t.Context())
	if _, err := broker.Restore(ctx, backup, broker.Config{Dir: to}, func(string, int64, int64) { cancel() }); err == nil {
		t.Log("the restore was faster than its end")
	} else if _, err := broker.Start(t.Context(), broker.Config{Dir: to}); err == nil || !strings.Contains(err.Error(), "restore again") {
		t.Errorf("a node on a restore that was cut off: %v", err)
	}
	if err := os.Remove(filepath.Join(backup, "backup.json")); err != nil {
		t.Fatal(err)
	}
	if _, err := broker.Restore(t.Context(), backup, broker.Config{Dir: filepath.Join(t.TempDir(), "data")}, nil); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a backup that was not finished: %v", err)
	}
}
