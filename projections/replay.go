package projections

import (
	"context"
	"math"
	"sync"

	"github.com/strandlog/strand/eventstore"
)

// Gated is implemented by lanes that know which events are new.
type Gated interface {
	// NewFrom is the offset at which the events begin that the projection has not passed before, in whatever version. It is that of the claim; [NeverNew] while the
	// version is not the one that readers see.
	NewFrom() int64
	// Owned refuses a lane whose commit would be refused: with a [FencedError] when its partition was taken over, with [ErrTransient] while the projection is paused. It is
	// asked before something is done that a refused commit does not take back.
	Owned(ctx context.Context) error
}

// NeverNew is beyond all offsets.
const NeverNew = math.MaxInt64

// gate is what the handlers of one commit ask.
type gate struct {
	from  int64
	owned func() error // nil: it needs no asking

	mu    sync.Mutex
	asked bool
	err   error // why the commit must not be made
}

type gateKey struct{}

// within gives handlers the gate.
func (g *gate) within(ctx context.Context) context.Context {
	return context.WithValue(ctx, gateKey{}, g)
}

// gateOf is that of a commit in a lane. The lane is asked with the context of the commit: that of a handler may end sooner.
func gateOf(ctx context.Context, lane any) *gate {
	if l, ok := lane.(Gated); ok {
		return &gate{from: l.NewFrom(), owned: func() error { return l.Owned(ctx) }}
	}
	return &gate{}
}

// failure is why the commit must not be made.
func (g *gate) failure() error {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.err
}

func (g *gate) replayed(offset int64) bool {
	if offset < g.from {
		return true
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if !g.asked && g.owned != nil {
		g.asked, g.err = true, g.owned()
	}
	return g.err != nil // then it is for whoever has the partition, or for the next try
}

// Replayed tells a handler that an event was handled before: what it does outside of the sink, such as sending mail, must not be done again. ctx is the handler's.
//
// It is so of what the projection had passed before it was rebuilt, reset, or set back, and of all events while a version fills beside the one that readers see.
// After a switch the new version goes on with such effects where the old one was. [Verify] replays everything.
//
// Where no version is the one that readers see, in table topics, a version begins where the one before was when it claimed its partitions: stop that one first. In
// memory everything is new at each start.
//
// It gates, and does not make exactly once: an effect is done again when its commit fails, or is done and the worker dies before it has committed. Give whoever
// does it the event's id to tell. The first question of a commit may cost a round trip to the sink.
func Replayed(ctx context.Context, at eventstore.Position) bool {
	g, ok := ctx.Value(gateKey{}).(*gate)
	return ok && g.replayed(at.Offset)
}
