package telemetry

import (
	"context"
	"strconv"
	"sync"
	"time"

	"github.com/strandlog/strand/projections"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
)

const (
	projectionsMax = 256             // versions of projections that gauges tell of
	lagInterval    = 5 * time.Second // between two looks at the lag of one: each costs a read of every partition that is behind
	lagTimeout     = 2 * time.Second // of all looks of one collection together
)

// runs are the projections that this process runs, or ran.
type runs struct {
	mu  sync.Mutex // guards the map; known has its own
	all map[projections.ID]*known
}

// The states that projection.status tells apart.
const (
	running    = "running"     // live
	catchingUp = "catching_up" // CatchUp and Rebuild
	stopped    = "stopped"
	failed     = "failed"
)

// known is one version of a projection.
type known struct {
	labels labels
	states map[string]labels

	mu     sync.Mutex
	active map[int]projections.RunInfo // calls that have not returned
	calls  int
	failed bool // the last call to end did so with an error
	lag    projections.Behind
	looked time.Time
}

// RunStart makes a projection known to the gauges.
func (t *Telemetry) RunStart(ctx context.Context, r projections.RunInfo) (context.Context, func(projections.RunResult)) {
	k := t.runs.of(r.Projection)
	if k == nil {
		return ctx, func(projections.RunResult) {}
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	k.calls++
	call := k.calls
	k.active[call] = r
	return ctx, func(result projections.RunResult) {
		k.mu.Lock()
		delete(k.active, call)
		k.failed = result.Err != nil
		k.mu.Unlock()
		if result.Err != nil {
			t.errors.Add(ctx, 1, t.outcomes.batch.get(batchOutcome(r.Projection, classOf(result.Err))).add...)
		}
	}
}

// of is nil when too many are known.
func (r *runs) of(p projections.ID) *known {
	r.mu.Lock()
	defer r.mu.Unlock()
	if k := r.all[p]; k != nil || len(r.all) >= projectionsMax {
		return k
	}
	k := &known{active: map[int]projections.RunInfo{}, states: map[string]labels{}}
	attributes := []attribute.KeyValue{attribute.String("projection", p.Name), attribute.String("version", strconv.Itoa(p.Version))}
	k.labels = newLabels(attributes...)
	for _, state := range []string{running, catchingUp, stopped, failed} {
		k.states[state] = newLabels(append(attributes, attribute.String("state", state))...)
	}
	if r.all == nil {
		r.all = map[projections.ID]*known{}
	}
	r.all[p] = k
	return k
}

func (r *runs) list() []*known {
	r.mu.Lock()
	defer r.mu.Unlock()
	all := make([]*known, 0, len(r.all))
	for _, k := range r.all {
		all = append(all, k)
	}
	return all
}

// now is the state of a projection, and one of its calls if it has any.
func (k *known) now() (state string, call projections.RunInfo) {
	k.mu.Lock()
	defer k.mu.Unlock()
	state = stopped
	if k.failed {
		state = failed
	}
	for _, r := range k.active {
		if r.Live {
			return running, r
		}
		state, call = catchingUp, r
	}
	return state, call
}

// collect fills the gauges.
func (t *Telemetry) collect(ctx context.Context, o metric.Observer) error {
	ctx, cancel := context.WithTimeout(context.WithValue(ctx, unobserved{}, true), lagTimeout)
	defer cancel()
	var looking sync.WaitGroup
	var mu sync.Mutex // an Observer need not be safe for concurrent use
	for _, k := range t.runs.list() {
		state, call := k.now()
		mu.Lock()
		t.observe(o, k, state, call)
		mu.Unlock()
		if state != running && state != catchingUp {
			continue
		}
		looking.Go(func() {
			lag, ok := k.look(ctx, call)
			mu.Lock()
			defer mu.Unlock()
			if ok {
				o.ObserveInt64(t.lag, lag.Events, k.labels.observe...)
				o.ObserveFloat64(t.lagTime, lag.Time.Seconds(), k.labels.observe...)
			}
		})
	}
	looking.Wait()
	return nil
}

// observe fills what needs no asking.
func (t *Telemetry) observe(o metric.Observer, k *known, state string, call projections.RunInfo) {
	for name, l := range k.states {
		one := int64(0)
		if name == state {
			one = 1
		}
		o.ObserveInt64(t.status, one, l.observe...)
	}
	if state == catchingUp {
		if p := call.Progress(); p.Total > 0 {
			o.ObserveFloat64(t.progress, min(1, float64(p.Done)/float64(p.Total)), k.labels.observe...)
		}
	}
}

// look asks for the lag, unless it was asked for a moment ago. A lag that cannot be learned is left out.
func (k *known) look(ctx context.Context, call projections.RunInfo) (projections.Behind, bool) {
	k.mu.Lock()
	lag, fresh := k.lag, !k.looked.IsZero() && time.Since(k.looked) < lagInterval
	k.mu.Unlock()
	if fresh {
		return lag, true
	}
	lag, err := call.Lag(ctx)
	if err != nil {
		return lag, false
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	k.lag, k.looked = lag, time.Now()
	return lag, true
}
