package broker_test

import (
	"context"
	"os"
	"slices"
	"testing"
	"time"
)

// soakTime is the environment variable that says how long TestSoak takes.
const soakTime = "STRAND_SOAK"

// TestSoak puts a mixed load on a node for as long as STRAND_SOAK says, and watches what the node takes. After a warm-up nothing may grow but what is
// there to stay.
func TestSoak(t *testing.T) {
	lasts, err := time.ParseDuration(os.Getenv(soakTime))
	if err != nil {
		t.Skipf("set %s to how long it shall take, such as 10m: make soak", soakTime)
	}
	dir := t.TempDir()
	node := spawn(t, dir, "127.0.0.1:0")
	load := newSoakLoad(t, node.url)
	ctx, stop := context.WithTimeout(t.Context(), lasts)
	defer stop()
	load.start(ctx)
	samples := watchSoak(ctx, t, node, dir, load, lasts)
	load.running.Wait()
	t.Logf("in all: %s", load.progress())
	if t.Failed() {
		return
	}
	judge(t, samples)
}

// watchSoak takes a hundred samples, but none more often than each second.
func watchSoak(ctx context.Context, t *testing.T, node *process, dir string, load *soakLoad, lasts time.Duration) (samples []usage) {
	ticker := time.NewTicker(max(lasts/100, time.Second))
	defer ticker.Stop()
	began := time.Now()
	t.Logf("%8s %10s %6s %9s %9s %9s  %s", "time", "goroutines", "files", "rss MiB", "heap MiB", "disk MiB", "done so far")
	for {
		select {
		case <-ctx.Done():
			return samples
		case <-ticker.C:
		}
		u := node.usage(t, dir)
		u.eventsBytes, u.topicsGone = load.eventBytes.Load(), load.churned.Load()
		samples = append(samples, u)
		t.Logf("%8s %10d %6d %9d %9d %9d  %s", time.Since(began).Round(time.Second), u.goroutines, u.files, u.rss>>20, u.heap>>20, u.disk>>20, load.progress())
	}
}

// eventOnDisk bounds what an appended byte takes on disk: in the log, in a segment, with headers and index.
const eventOnDisk = 5

// What the heap is at one time and not at another, as profiles have shown (STRAND_SOAK_PROFILES). All of it is bounded.
const (
	// The engine keeps the block that it writes to, or has just read, in a buffer of 8 MiB, until the garbage collector finds it idle: of events, clicks and
	// prices there are two to five.
	heapBlocks = 3 * 8 << 20

	// A tail of the index fills with 256 Ki entries, of 56 bytes each, before it is written: six times in ten minutes.
	heapTail = (256 << 10) * 56

	// A deleted topic leaves its name and version in the catalogue; and the server a queue, for direct gets, which it forgets to take off its list.
	heapTopicGone = 2 << 10
)

// judge compares the last fifth with the second one: by then every buffer has had its first use.
func judge(t *testing.T, samples []usage) {
	if len(samples) < 10 {
		t.Errorf("%d samples are too few", len(samples))
		return
	}
	early, late := samples[len(samples)/5:len(samples)*2/5], samples[len(samples)*4/5:]
	appended := late[len(late)-1].eventsBytes - early[0].eventsBytes
	topicsGone := late[len(late)-1].topicsGone - early[0].topicsGone
	for _, of := range []struct {
		name  string
		value func(usage) int64
		share int64 // of what it was: 3 is a third more, 0 nothing
		slack int64 // and so much more
	}{
		{"goroutines", func(u usage) int64 { return int64(u.goroutines) }, 3, 50},
		{"open files", func(u usage) int64 { return int64(u.files) }, 3, 50},
		{"resident bytes", func(u usage) int64 { return u.rss }, 3, 64 << 20},
		{"bytes of the heap", func(u usage) int64 { return u.heap }, 0, heapBlocks + heapTail + heapTopicGone*topicsGone},
		{"bytes on disk", func(u usage) int64 { return u.disk }, 3, 128<<20 + eventOnDisk*appended},
	} {
		before, after := middle(early, of.value), middle(late, of.value)
		verdict := "stays within"
		bound := before + of.slack
		if of.share > 0 {
			bound += before / of.share
		}
		if after > bound {
			verdict = "GROWS BEYOND"
			t.Errorf("%s grow from %d to %d", of.name, before, after)
		}
		t.Logf("%-18s %12d, later %12d: %s %d", of.name, before, after, verdict, bound)
	}
}

func middle(samples []usage, value func(usage) int64) int64 {
	values := make([]int64, len(samples))
	for i, u := range samples {
		values[i] = value(u)
	}
	slices.Sort(values)
	return values[len(values)/2]
}
