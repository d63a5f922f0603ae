package workload

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"sync/atomic"
	"testing"
	"time"
)

func TestEventsHaveTheirSize(t *testing.T) {
	random := NewRandom()
	for _, n := range []int{0, 1, 12345, 10_000_000, 99_999_999} {
		if got := len(random.Payload(n)); got != PayloadBytes {
			t.Errorf("payload %d has %d bytes", n, got)
		}
		data, err := json.Marshal(random.Noted(n))
		if err != nil || len(data) != PayloadBytes {
			t.Errorf("event %d takes %d bytes, %v: %s", n, len(data), err, data)
		}
	}
}

func TestScatterHasEveryStreamInFull(t *testing.T) {
	s := NewScatter(6000)
	counts := make([]int, s.Streams)
	for stream := range s.All {
		counts[stream]++
	}
	total := 0
	for length, streams := range s.ByLength {
		for _, stream := range streams {
			if counts[stream] != length {
				t.Errorf("stream %d has %d events, not %d", stream, counts[stream], length)
			}
			total += length
		}
	}
	if total != s.Events || len(s.ByLength) != 3 {
		t.Errorf("%d events of %d, %d lengths", total, s.Events, len(s.ByLength))
	}
}

func TestOwnStreamsAreOnesOwn(t *testing.T) {
	owner := map[int]int{}
	for worker := range 64 {
		for i := range 500 {
			stream := Own(worker, i, 64, 10_000)
			if other, taken := owner[stream]; stream >= 10_000 || taken && other != worker {
				t.Fatalf("stream %d of worker %d belongs to %d", stream, worker, other)
			}
			owner[stream] = worker
		}
	}
}

func TestCount(t *testing.T) {
	const ms = time.Millisecond
	for _, of := range []struct {
		name    string
		calls   []call
		elapsed time.Duration
		want    []time.Duration
	}{
		{"what ends in time counts", []call{{1 * ms, 3 * ms}, {9 * ms, 2 * ms}, {11 * ms, 5 * ms}}, 10 * ms, []time.Duration{2 * ms, 3 * ms}},
		{"calls longer than the time count in full", []call{{30 * ms, 31 * ms}, {20 * ms, 22 * ms}}, 30 * ms, []time.Duration{22 * ms, 31 * ms}},
	} {
		got := count(of.calls, 10*ms)
		if got.Elapsed != of.elapsed || !slices.Equal(got.Latencies, of.want) || got.Count != len(of.want) {
			t.Errorf("%s: %+v", of.name, got)
		}
	}
}

func TestLoop(t *testing.T) {
	var calls atomic.Int64
	done, err := Loop(t.Context(), 4, 5*time.Millisecond, func(context.Context, int, int) error { calls.Add(1); return nil })
	if err != nil || done.Count == 0 || int64(done.Count) > calls.Load() || done.PerSecond() <= 0 {
		t.Errorf("%+v of %d calls, %v", done, calls.Load(), err)
	}
	failed := errors.New("no")
	if _, err := Loop(t.Context(), 4, time.Hour, func(_ context.Context, worker, i int) error {
		if worker == 2 && i == 10 {
			return failed
		}
		return nil
	}); !errors.Is(err, failed) {
		t.Errorf("a step that failed ended in %v", err)
	}
}

func TestPour(t *testing.T) {
	done, err := Pour(t.Context(), 5*time.Millisecond, func(_ context.Context, _ int, stored Stored) error {
		go stored(3, nil)
		return nil
	})
	if err != nil || done.Count == 0 || done.Count%3 != 0 || len(done.Latencies) == 0 {
		t.Errorf("%+v, %v", done, err)
	}
	failed := errors.New("no")
	for name, send := range map[string]func(i int, stored Stored) error{
		"not taken":  func(int, Stored) error { return failed },
		"not stored": func(_ int, stored Stored) error { stored(0, failed); return nil },
	} {
		if _, err := Pour(t.Context(), time.Hour, func(_ context.Context, i int, stored Stored) error { return send(i, stored) }); !errors.Is(err, failed) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestTallyMissesNothing(t *testing.T) {
	tally, random := NewTally(2), NewRandom()
	var records [][]byte
	for i := range 6 {
		records = append(records, tally.Record(i%2, random.Payload(i)))
	}
	for _, of := range []struct {
		name string
		seen []int
		ok   bool
	}{
		{"all", []int{0, 1, 2, 3, 4, 5}, true},
		{"interleaved otherwise", []int{0, 2, 1, 4, 3, 5}, true},
		{"one twice", []int{0, 1, 2, 2, 3, 4, 5}, false},
		{"one too few", []int{0, 1, 2, 3, 4}, false},
		{"out of order", []int{2, 0, 1, 3, 4, 5}, false},
	} {
		check := tally.Check()
		var err error
		for _, i := range of.seen {
			err = errors.Join(err, check.Saw(records[i]))
		}
		if err = errors.Join(err, check.Complete()); (err == nil) != of.ok {
			t.Errorf("%s: %v", of.name, err)
		}
	}
}
