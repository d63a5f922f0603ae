package shard

import "time"

// observed is something that was seen, and may have lasted since.
type observed struct{ since, seen time.Time }

// again says for how long it has lasted when it is seen once more. Whoever has not looked for a while, because the process was stopped, knows nothing of what was
// meanwhile: it counts anew.
func (o *observed) again(now time.Time, gapMax time.Duration) time.Duration {
	if o.seen.IsZero() || now.Sub(o.seen) > gapMax {
		o.since = now
	}
	o.seen = now
	return now.Sub(o.since)
}
