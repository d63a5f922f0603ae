package projections_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/strandlog/strand/projections"
)

// narrow is a sink whose commits deadlock when they are of many events.
type narrow struct {
	projections.Sink[*projections.Rows[balance]]
	most, refused int64
}

type narrowLane struct {
	projections.Lane[*projections.Rows[balance]]
	sink *narrow
}

func (s *narrow) Claim(ctx context.Context, c projections.Claim) (projections.Lane[*projections.Rows[balance]], error) {
	lane, err := s.Sink.Claim(ctx, c)
	return narrowLane{lane, s}, err
}

func (l narrowLane) Commit(ctx context.Context, next projections.Mark, fn func(*projections.Rows[balance]) error) error {
	if next.Next-l.Checkpoint().Next > l.sink.most {
		l.sink.refused++
		return &projections.TransientError{Err: errors.New("deadlock detected")}
	}
	return l.Lane.Commit(ctx, next, fn)
}

// TestCommitsThatFailAreTriedInParts has commits of more than a few events fail for ever.
func TestCommitsThatFailAreTriedInParts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := openStore(t, 1)
		const events = 100
		for range events {
			appendTo(t, store, "a", deposited{1})
		}
		memory := projections.NewMemory[balance]()
		sink := &narrow{Sink: memory, most: 3}
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		if err := projections.CatchUp(ctx, store, balances(), sink); err != nil {
			t.Fatal(err)
		}
		wantAmounts(t, memory, map[string]int64{"a": events})
		if sink.refused == 0 {
			t.Error("no commit was of many events")
		}
	})
}
