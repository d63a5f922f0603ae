package shard

import (
	"testing"
	"time"
)

func TestObserved(t *testing.T) {
	var o observed
	now := time.Unix(1000, 0)
	for i, step := range []struct{ passed, want time.Duration }{
		{0, 0}, {time.Second, time.Second}, {10 * time.Second, 11 * time.Second},
		{11 * time.Second, 0}, // nobody looked
		{time.Second, time.Second},
	} {
		now = now.Add(step.passed)
		if got := o.again(now, 10*time.Second); got != step.want {
			t.Errorf("step %d: it has lasted for %v, want %v", i, got, step.want)
		}
	}
}
