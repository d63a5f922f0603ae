package postgres_test

import (
	"context"

	"github.com/jackc/pgx/v5"

	"github.com/strandlog/strand/eventstore"
	"github.com/strandlog/strand/projections"
)

// added is an event whose effect shows when it comes twice, or not at all, or in another order.
type added struct {
	ID     int64 // never the same twice
	N      int64
	Colour string `json:",omitempty"` // streams of all partitions meet in the row of a colour; few events have one
}

var tallies = eventstore.Category{Name: "tally", Events: map[string]any{"added": added{}}}

// tally is what all events of a stream, or of a colour, come to. Chain depends on their order.
type tally struct{ Count, Sum, Chain int64 }

func (t *tally) add(n, base int64) {
	t.Count++
	t.Sum += n
	t.Chain = (t.Chain*base + n) % 1_000_000_007
}

// base is that of the chains of a version: its rows are those of no other version.
func base(version int) int64 { return 30 + int64(version) }

func colourOf(e eventstore.Recorded[added]) string { return e.Data.Colour }

// visit is called in the middle of handling an event: what the transaction did is not committed.
type visit func(projection string, at eventstore.Position)

// folded counts in the rows of a table.
func folded(at visit, version int) *projections.Projection[*projections.Rows[tally]] {
	return projections.Define("folded",
		projections.Fold(func(t *tally, e eventstore.Recorded[added]) {
			at("folded", e.Position)
			t.add(e.Data.N, base(version))
		}),
		projections.FoldBy(colourOf, func(t *tally, e eventstore.Recorded[added]) { t.Count++; t.Sum += e.Data.N })).Version(version)
}

// written counts with SQL of its own, none of which is idempotent.
func written(at visit, version int) *projections.Projection[pgx.Tx] {
	return projections.Define("written", projections.On(func(ctx context.Context, tx pgx.Tx, e eventstore.Recorded[added]) error {
		b := &pgx.Batch{}
		b.Queue(`INSERT INTO effects (partition, "offset", id) VALUES ($1, $2, $3)`, e.Position.Partition, e.Position.Offset, e.Data.ID)
		b.Queue("INSERT INTO tallies (key) VALUES ($1) ON CONFLICT DO NOTHING", e.Stream.Key())
		b.Queue("UPDATE tallies SET count = count + 1, sum = sum + $2, chain = (chain * $3 + $2) % 1000000007 WHERE key = $1", e.Stream.Key(), e.Data.N, base(version))
		if e.Data.Colour != "" {
			b.Queue("UPDATE colours SET count = count + 1, sum = sum + $2 WHERE key = $1", e.Data.Colour, e.Data.N)
		}
		if err := tx.SendBatch(ctx, b).Close(); err != nil {
			return err
		}
		at("written", e.Position)
		return nil
	})).Setup(func(ctx context.Context, tx pgx.Tx) error {
		_, err := tx.Exec(ctx, `
			CREATE TABLE effects (partition integer, "offset" bigint, id bigint NOT NULL, PRIMARY KEY (partition, "offset"));
			CREATE TABLE tallies (key text PRIMARY KEY, count bigint NOT NULL DEFAULT 0, sum bigint NOT NULL DEFAULT 0, chain bigint NOT NULL DEFAULT 0);
			CREATE TABLE colours (LIKE tallies INCLUDING ALL);
			INSERT INTO colours (key) VALUES ('red'), ('green'), ('blue')`)
		return err
	}).Version(version)
}
