package broker_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/strandlog/strand/brokerd/broker"
	"github.com/strandlog/strand/brokerd/engine"
	"github.com/strandlog/strand/commitlog"
)

// TestStuckNodeGivesUp damages a block of a topic under a node that runs, just after it was read. The engine reads it again, and counts, here for seconds
// only. The node says why it gives up, and can be closed by whoever does not wait for ever.
func TestStuckNodeGivesUp(t *testing.T) {
	bit := 2 // of the fourth byte: 2^26
	if raced {
		bit = 0 // the race detector makes it slow
	}
	// The engine may write to it when the test has ended, which t.TempDir would take for a failure.
	dir, err := os.MkdirTemp("", "strand-stuck-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	b, err := broker.Start(t.Context(), broker.Config{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	topic, err := b.Client().CreateTopic(t.Context(), commitlog.TopicConfig{Name: "events", Partitions: 1})
	if err != nil {
		t.Fatal(err)
	}
	for i := range 20 { // several blocks
		a := oneEvent("s", commitlog.Expected(i))
		a.Writes[0].Events[0].Value = bytes.Repeat([]byte("x"), 900_000)
		if _, err := b.Client().Append(t.Context(), topic, a); err != nil {
			t.Fatal(err)
		}
	}
	backup := func() error {
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		_, err := b.Backup(ctx, filepath.Join(t.TempDir(), "backup"))
		return err
	}
	if err := backup(); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(b.Dir(), "log", "jetstream", "LOG", "streams", "strand-"+topic.ID.String()+"-0", "msgs", "1.blk")
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var head [12]byte
	if _, err := f.ReadAt(head[:], 0); err != nil {
		t.Fatal(err)
	}
	second := int64(binary.LittleEndian.Uint32(head[:]) &^ (1 << 31))
	if _, err := f.WriteAt([]byte{1 << bit}, second+4+3); err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	failed := make(chan error, 1)
	go func() { failed <- backup() }()
	select {
	case <-b.GaveUp():
	case <-time.After(10 * time.Second):
		t.Fatal("the node does not give up")
	}
	took := time.Since(began)
	if err := b.Err(); !errors.Is(err, broker.ErrGaveUp) || !errors.Is(err, engine.ErrBlock) || !strings.Contains(err.Error(), path) {
		t.Errorf("the node gave up with: %v", err)
	}
	t.Logf("the node gave up after %v", took)
	if took > 5*time.Second { // two are promised, of a machine that does nothing else
		t.Errorf("the node gave up after %v", took)
	}
	if err := b.Health(); err == nil {
		t.Error("a node that gave up is healthy")
	}
	closing, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	_ = b.Close(closing) // it is not clean, and ends nevertheless
	if since := time.Since(began) - took; since > 5*time.Second {
		t.Errorf("closing took %v", since)
	}
	if err := <-failed; err == nil {
		t.Error("a backup of a damaged log succeeded")
	}
}
