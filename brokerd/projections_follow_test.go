package main

import (
	"testing"
	"time"
)

func TestProgressText(t *testing.T) {
	for want, got := range map[string]string{
		"0 of 10 records":                      progressText(0, 10, time.Second),
		"5 of 10 records, about 1.0s left":     progressText(5, 10, time.Second),
		"250 of 1000 records, about 3m0s left": progressText(250, 1000, time.Minute),
		"10 of 10 records":                     progressText(10, 10, time.Second),
	} {
		if got != want {
			t.Errorf("it says %q, want %q", got, want)
		}
	}
}

// TestWaited has a partition not serve when the wait begins: it is not over before its end is known, and passed.
func TestWaited(t *testing.T) {
	at := func(next, end int64) projectedLine { return projectedLine{Next: &next, End: &end} }
	line := func(partitions ...projectedLine) projectionLine {
		for i := range partitions {
			partitions[i].Partition = int32(i)
		}
		return projectionLine{Name: "balances", Version: 2, Partitions: partitions}
	}
	silent := projectedLine{Next: new(int64(3)), Detail: "its leader is gone"}
	w := waited{ends: map[int32]int64{}}
	for i, step := range []struct {
		line   projectionLine
		left   int64
		silent bool
		why    string
	}{
		{line(at(4, 10), silent), 6, true, ""},
		{line(at(10, 12), silent), 0, true, "Partition 1 does not serve, and is waited for: its leader is gone"},
		{line(at(11, 12), at(3, 7)), 4, false, ""},
		{line(at(12, 20), at(7, 9)), 0, false, ""},
	} {
		w.look(step.line)
		if w.left != step.left || (w.silent != nil) != step.silent || w.why(step.line) != step.why {
			t.Errorf("step %d: %d are left, a partition is silent: %t, %q; want %d, %t, %q", i, w.left, w.silent != nil, w.why(step.line), step.left, step.silent, step.why)
		}
	}
	paused := line(at(4, 10))
	paused.Paused = true
	w = waited{ends: map[int32]int64{}}
	if w.look(paused); w.why(paused) != "Projection balances v2 is paused: brokerd projections resume balances has it go on." {
		t.Errorf("of a paused one it says %q", w.why(paused))
	}
}
