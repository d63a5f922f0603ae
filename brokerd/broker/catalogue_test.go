package broker_test

import (
	"context"
	"fmt"
	"testing"

	"github.com/strandlog/strand/brokerd/broker"
	"github.com/strandlog/strand/brokerd/engine"
	"github.com/strandlog/strand/brokerd/topics"
	"github.com/strandlog/strand/internal/wire"
)

// TestChangeThatIsCutOff: a change whose first step is stored may be finished by another node, so a client must not be told that it had no effect.
func TestChangeThatIsCutOff(t *testing.T) {
	for _, code := range []wire.Code{wire.NotLeader, wire.Retry, wire.Overloaded, wire.NotEnoughSync, wire.Unknown} {
		err := broker.SequencerError(code)
		if got := broker.CodeOfChange(err); got != code {
			t.Errorf("a first step that ended with %v is answered %v", code, got)
		}
		if got := broker.CodeOfChange(fmt.Errorf("%w: %w", topics.ErrUnfinished, err)); got != wire.Unknown {
			t.Errorf("a second step that ended with %v is answered %v", code, got)
		}
	}
	if got := broker.CodeOfChange(fmt.Errorf("%w: %w", topics.ErrUnfinished, topics.ErrConflict)); got != wire.Unknown {
		t.Errorf("a second step that another node took is answered %v", got)
	}
	if got := broker.CodeOfChange(fmt.Errorf("%w: making its log: %w", topics.ErrUnfinished, engine.ErrElecting)); got != wire.Unknown {
		t.Errorf("a second step for which the engines have no leader is answered %v", got)
	}
	if got := broker.CodeOfChange(fmt.Errorf("recording it: %w", context.Canceled)); got != wire.Unknown {
		t.Errorf("a change that the end of its node cut off is answered %v", got)
	}
	if got := broker.CodeOfChange(fmt.Errorf("%w: %w", topics.ErrUnfinished, broker.SequencerError(wire.NoStorage))); got != wire.NoStorage {
		t.Errorf("a second step for which there is no room is answered %v", got)
	}
}
