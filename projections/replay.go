package projections

import (
	"context"
	"math"

	"github.com/strandlog/strand/eventstore"
)

// Gated is implemented by lanes that know which events are new.
type Gated interface {
	// NewFrom is the offset at which the events begin that the projection has not passed before, in whatever version. It is that of the claim; [NeverNew] while the
	// version is not the one that readers see.
	NewFrom() int64
}

// NeverNew is beyond all offsets.
const NeverNew = math.MaxInt64

type newFromKey struct{}

// gated gives the context of handlers whose events are new from an offset on.
func gated(ctx context.Context, newFrom int64) context.Context {
	return context.WithValue(ctx, newFromKey{}, newFrom)
}

func newFromOf(lane any) int64 {
	if g, ok := lane.(Gated); ok {
		return g.NewFrom()
	}
	return 0
}

// Replayed tells a handler that an event was handled before: what it does outside of the sink, such as sending mail, must not be done again. ctx is the handler's.
//
// It is so of what the projection had passed before it was rebuilt, reset, or set back, and of all events while a version fills beside the one that readers see.
// After a switch the new version goes on with such effects where the old one was. [Verify] replays everything.
//
// It gates, and does not make exactly once: an effect is done again when its commit fails, or is done and the worker dies before it has committed. Give whoever
// does it the event's id to tell.
func Replayed(ctx context.Context, at eventstore.Position) bool {
	from, _ := ctx.Value(newFromKey{}).(int64)
	return at.Offset < from
}
