//go:build linux

package broker_test

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/strandlog/strand/brokerd/broker"
	"github.com/strandlog/strand/brokerd/engine"
	"github.com/strandlog/strand/commitlog"
)

// smallDisk mounts a small file system at dir. It takes root: where that is not to be had the test cannot say anything, and says so.
func smallDisk(t *testing.T, dir, size string) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("NOT EXERCISED: a full disk takes root, to mount a small file system")
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command("mount", "-t", "tmpfs", "-o", "size="+size, "strand-test", dir).CombinedOutput(); err != nil {
		t.Skipf("NOT EXERCISED: this machine cannot mount a file system of the test's: %v: %s", err, out)
	}
	t.Cleanup(func() { _ = exec.Command("umount", "-l", dir).Run() })
}

// fill takes the room on a disk but for some, and returns what gives it back.
func fill(t *testing.T, dir string, leave int64) (free func()) {
	t.Helper()
	path := filepath.Join(dir, "filler")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for size := 1 << 20; size > 0; size /= 2 {
		for err = nil; err == nil; {
			volume, failed := engine.MeasureVolume(dir)
			if failed != nil {
				t.Fatal(failed)
			}
			if leave > 0 && volume.Free < leave+int64(size) {
				break
			}
			_, err = f.Write(make([]byte, size))
		}
	}
	if _, err := f.Write([]byte{0}); leave == 0 && err == nil {
		t.Fatal("the disk takes another byte: it is not full, and the test proves nothing")
	}
	return func() {
		if err := os.Remove(path); err != nil {
			t.Error(err)
		}
	}
}

// large is an append that needs room of its own.
func large(stream string) commitlog.Append {
	a := oneEvent(stream, commitlog.Any)
	a.Writes[0].Events[0].Value = []byte(strings.Repeat("x", 64<<10))
	return a
}

// makeRoom does with a topic what makes room, which a node permits while its disk is full, and nothing else.
func makeRoom(t *testing.T, client *commitlog.Client, topic commitlog.Topic) {
	t.Helper()
	if _, err := client.CreateTopic(t.Context(), commitlog.TopicConfig{Name: "more"}); !errors.Is(err, commitlog.ErrNoStorage) {
		t.Errorf("creating a topic on a full disk: %v", err)
	}
	if _, err := client.AlterTopic(t.Context(), topic.ID, commitlog.TopicChange{RetentionBytes: new(int64(1 << 20))}); err != nil {
		t.Errorf("keeping less on a full disk: %v", err)
	}
	if err := client.DeleteTopic(t.Context(), topic.ID); err != nil {
		t.Errorf("deleting a topic on a full disk: %v", err)
	}
}

// TestFullDisk fills the disk of a node under load: the log's or the caches', with a margin that the node keeps and without. Appends fail within 2 s and
// say why, nothing that was acknowledged is lost, nothing that was refused is stored, and appends are taken again within 30 s of room.
func TestFullDisk(t *testing.T) {
	const answerMax, resumeMax = 2 * time.Second, 30 * time.Second
	for name, test := range map[string]struct {
		disk  string // which part of the directory is on a disk of its own
		min   int64
		leave int64
		reads bool // go on meanwhile
	}{
		"noticed in time":              {disk: ".", min: 96 << 20, leave: 80 << 20, reads: true},
		"taken by surprise":            {disk: ".", min: 1},
		"log, taken by surprise":       {disk: "log", min: 1},
		"caches, noticed in time":      {disk: "shards", min: 96 << 20, leave: 80 << 20, reads: true},
		"caches, taken by surprise":    {disk: "shards", min: 1},
		"caches, surprised twice over": {disk: "shards", min: 1, leave: 1 << 20},
	} {
		t.Run(name, func(t *testing.T) {
			if full(0, 1) == 0 && (test.disk == "log" || test.leave == 1<<20) {
				t.Skip("make torture runs it")
			}
			t.Parallel()
			dir := t.TempDir()
			disk := filepath.Join(dir, test.disk)
			smallDisk(t, disk, "256m")
			b := start(t, broker.Config{Dir: dir, FreeBytesMin: test.min})
			topic, err := b.Client().CreateTopic(t.Context(), commitlog.TopicConfig{Name: "events", Partitions: 4})
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
			for range 20 {
				<-a.progress
			}
			for round := range full(1, 5) {
				clicks, err := b.Client().CreateTopic(t.Context(), commitlog.TopicConfig{Name: "clicks", Kind: commitlog.Plain})
				if err != nil {
					t.Fatal(err)
				}
				free := fill(t, disk, test.leave)
				filled := time.Now()
				var refusal error
				for refusal == nil {
					began := time.Now()
					_, refusal = b.Client().Append(t.Context(), topic, large("filling-1"))
					if took := time.Since(began); took > answerMax {
						t.Errorf("round %d: on a full disk an append was answered after %s: %v", round, took, refusal)
					}
				}
				if !errors.Is(refusal, commitlog.ErrNoStorage) && !errors.Is(refusal, commitlog.ErrIndefinite) {
					t.Errorf("round %d: refused with %v", round, refusal)
				}
				// Whoever comes later learns the reason, and that nothing is stored.
				_, err = b.Client().Append(t.Context(), topic, large("filling-1"))
				if !errors.Is(err, commitlog.ErrNoStorage) {
					t.Errorf("round %d: refused with %v", round, err)
				}
				if b.Health() == nil {
					t.Errorf("round %d: a node on a full disk is healthy", round)
				}
				if test.reads {
					for _, err := range b.Client().Records(t.Context(), topic, 0, commitlog.Range{}) {
						if err != nil {
							t.Errorf("round %d: reading on a full disk: %v", round, err)
						}
					}
				}
				if test.reads {
					makeRoom(t, b.Client(), clicks)
				}
				t.Logf("round %d: refused %s after the disk was full: %v", round, time.Since(filled).Round(time.Millisecond), refusal)
				free()
				room := time.Now()
				for err := refusal; err != nil; {
					if time.Since(room) > resumeMax {
						t.Fatalf("round %d: %s after there was room: %v", round, time.Since(room), err)
					}
					_, err = b.Client().Append(t.Context(), topic, large("filling-1"))
				}
				t.Logf("round %d: appends are taken %s after there was room", round, time.Since(room).Round(time.Millisecond))
				for range 10 {
					<-a.progress
				}
				if err := b.Client().DeleteTopic(t.Context(), clicks.ID); !test.reads && err != nil {
					t.Error(err)
				}
			}
			stop()
			group.Wait()
			// What the writers left in flight comes before this.
			if _, err := b.Client().Append(t.Context(), topic, large("filling-1")); err != nil {
				t.Error(err)
			}
			t.Logf("%d events acknowledged, %d indefinite, %d refused", len(a.byID), len(a.indefinite), len(a.refused))
			a.skip = "filling-1"
			a.check(t, b.Client(), topic)
			if err := b.Close(t.Context()); err != nil {
				t.Error(err)
			}
			b = start(t, broker.Config{Dir: dir, FreeBytesMin: test.min})
			a.check(t, b.Client(), topic)
		})
	}
}
