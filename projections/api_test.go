package projections_test

import (
	"context"
	"errors"
	"testing"

	"github.com/strandlog/strand/eventstore"
	"github.com/strandlog/strand/projections"
)

// What users write compiles without a type argument, but for the row of a sink.
type (
	deposited struct{ Amount int64 }
	withdrawn struct{ Amount int64 }
	balance   struct{ Amount int64 }
	sqlTx     interface { // stands in for a database transaction
		Exec(ctx context.Context, sql string, args ...any) (int64, error)
	}
	report struct{ table string }
)

func onDeposited(b *balance, e eventstore.Recorded[deposited]) { b.Amount += e.Data.Amount }
func onWithdrawn(b *balance, e eventstore.Recorded[withdrawn]) { b.Amount -= e.Data.Amount }

func balances() *projections.Projection[*projections.Rows[balance]] {
	return projections.Define("balances", projections.Fold(onDeposited), projections.Fold(onWithdrawn)).Version(2)
}

func (r report) withdrawn(ctx context.Context, tx sqlTx, e eventstore.Recorded[withdrawn]) error {
	_, err := tx.Exec(ctx, "INSERT INTO "+r.table+" VALUES ($1, $2)", e.Stream.Key(), e.Data.Amount)
	return err
}

func bulk(ctx context.Context, tx sqlTx, events []eventstore.Recorded[deposited]) error {
	_, err := tx.Exec(ctx, "INSERT …", len(events))
	return err
}

func createTables(ctx context.Context, tx sqlTx) error {
	_, err := tx.Exec(ctx, "CREATE TABLE …")
	return err
}

type sqlSink struct{ projections.Sink[sqlTx] }

func TestTypesAreInferred(t *testing.T) {
	_ = func(ctx context.Context, store *eventstore.Store, at eventstore.Position, pool sqlSink) error {
		memory := projections.NewMemory[balance]()
		m := report{"withdrawals"}
		reports := projections.Define("report", projections.On(m.withdrawn), projections.OnBatch(bulk)).Setup(createTables)
		_, err := projections.Lag(ctx, store, balances(), memory)
		return errors.Join(err,
			projections.Run(ctx, store, balances(), memory),
			projections.CatchUp(ctx, store, balances(), memory),
			projections.Rebuild(ctx, store, balances(), memory, projections.OnProgress(func(projections.Progress) {})),
			projections.Await(ctx, balances(), memory, at),
			projections.Run(ctx, store, reports, pool),
			projections.Await(ctx, reports, pool, at, at),
		)
	}
	if id := balances().ID(); id.String() != "balances v2" {
		t.Errorf("balances is %s", id)
	}
}
