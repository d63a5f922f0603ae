package postgres_test

import (
	"context"
	"fmt"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/strandlog/strand/connectors/postgres"
	"github.com/strandlog/strand/eventstore"
	"github.com/strandlog/strand/internal/pgtest"
	"github.com/strandlog/strand/migrations"
	"github.com/strandlog/strand/projections"
)

type booked struct {
	Amount int64
	Note   string
}

type account struct {
	Amount, Bookings int64
	Note             string
}

func onBooked(a *account, e eventstore.Recorded[booked]) {
	a.Amount += e.Data.Amount
	a.Bookings++
	a.Note = e.Data.Note
}

// filled gives a store in memory with events that are scattered over streams.
func filled(b testing.TB, events, streams int) *eventstore.Store {
	b.Helper()
	store, err := eventstore.Open(b.Context(), eventstore.NewMemory(), eventstore.Config{Partitions: 8}, eventstore.Category{Name: "account", Events: map[string]any{"booked": booked{}}})
	if err != nil {
		b.Fatal(err)
	}
	for i := range events {
		if _, err := store.Append(b.Context(), fmt.Sprintf("account-%d", i*7919%streams), eventstore.Any, booked{int64(i), "a note of some length"}); err != nil {
			b.Fatal(err)
		}
	}
	return store
}

func database(b *testing.B) *pgxpool.Pool {
	b.Helper()
	pool := pgtest.Pool(b)
	cfg := pool.Config()
	cfg.MaxConns = 10
	pool, err := pgxpool.NewWithConfig(b.Context(), cfg)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(pool.Close)
	if _, err := migrations.Migrate(b.Context(), pool); err != nil {
		b.Fatal(err)
	}
	return pool
}

func BenchmarkTable(b *testing.B) {
	const events = 200_000
	for _, size := range []int{256, 1024, 4096} {
		b.Run(fmt.Sprint(size), func(b *testing.B) {
			store := filled(b, events, events/2)
			for i := 0; b.Loop(); i++ {
				pool := database(b)
				p := projections.Define("accounts", projections.Fold(onBooked)).Version(i + 1)
				if err := projections.CatchUp(b.Context(), store, p, postgres.NewTable[account](pool), projections.CommitMax(size, 16<<20)); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(events)*float64(b.N)/b.Elapsed().Seconds(), "rows/s")
		})
	}
}

func BenchmarkHandlers(b *testing.B) {
	const events = 50_000
	store := filled(b, events, events/2)
	for i := 0; b.Loop(); i++ {
		pool := database(b)
		p := projections.Define("accounts", projections.On(func(ctx context.Context, tx pgx.Tx, e eventstore.Recorded[booked]) error {
			_, err := tx.Exec(ctx, "INSERT INTO accounts AS a VALUES ($1, $2, 1) ON CONFLICT (key) DO UPDATE SET amount = a.amount + excluded.amount, bookings = a.bookings + 1", e.Stream.Key(), e.Data.Amount)
			return err
		})).Version(i + 1).Setup(func(ctx context.Context, tx pgx.Tx) error {
			_, err := tx.Exec(ctx, "CREATE TABLE accounts (key text PRIMARY KEY, amount bigint NOT NULL, bookings bigint NOT NULL)")
			return err
		})
		if err := projections.CatchUp(b.Context(), store, p, postgres.NewSink(pool)); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(events)*float64(b.N)/b.Elapsed().Seconds(), "events/s")
}

// BenchmarkFill compares the ways to write rows that are not there yet, and BenchmarkReplace those that are: a batch of n rows each, of four columns.
func BenchmarkFill(b *testing.B)    { benchmarkWays(b, false) }
func BenchmarkReplace(b *testing.B) { benchmarkWays(b, true) }

func benchmarkWays(b *testing.B, there bool) {
	for _, n := range []int{100, 1000, 5000, 20_000} {
		for _, way := range []struct {
			name  string
			write func(ctx context.Context, tx pgx.Tx, keys []string, numbers []int64, notes []string) error
		}{{"unnest", byUnnest}, {"copy", byCopy}, {"copy+merge", byCopyAndMerge}} {
			if there && way.name == "copy" {
				continue // it cannot replace
			}
			b.Run(fmt.Sprintf("%d/%s", n, way.name), func(b *testing.B) {
				pool := database(b)
				ctx := b.Context()
				if _, err := pool.Exec(ctx, "CREATE TABLE filled (key text PRIMARY KEY, a bigint NOT NULL, b bigint NOT NULL, note text NOT NULL) WITH (fillfactor = 85)"); err != nil {
					b.Fatal(err)
				}
				keys, numbers, notes := make([]string, n), make([]int64, n), make([]string, n)
				for round := 0; b.Loop(); round++ {
					for i := range keys {
						keys[i], numbers[i], notes[i] = fmt.Sprintf("%08d", i*7919%n), int64(i), "a note of some length"
						if !there {
							keys[i] = fmt.Sprintf("%08d-%d", round, i)
						}
					}
					if err := pgx.BeginFunc(ctx, pool, func(tx pgx.Tx) error {
						if _, err := tx.Exec(ctx, "SET LOCAL synchronous_commit = off"); err != nil {
							return err
						}
						return way.write(ctx, tx, keys, numbers, notes)
					}); err != nil {
						b.Fatal(err)
					}
				}
				b.ReportMetric(float64(n)*float64(b.N)/b.Elapsed().Seconds(), "rows/s")
			})
		}
	}
}

const replacing = " ON CONFLICT (key) DO UPDATE SET a = excluded.a, b = excluded.b, note = excluded.note"

func byUnnest(ctx context.Context, tx pgx.Tx, keys []string, numbers []int64, notes []string) error {
	_, err := tx.Exec(ctx, "INSERT INTO filled SELECT * FROM unnest($1::text[], $2::bigint[], $3::bigint[], $4::text[])"+replacing, keys, numbers, numbers, notes)
	return err
}

func copyInto(ctx context.Context, tx pgx.Tx, table string, keys []string, numbers []int64, notes []string) error {
	_, err := tx.CopyFrom(ctx, pgx.Identifier{table}, []string{"key", "a", "b", "note"}, pgx.CopyFromSlice(len(keys), func(i int) ([]any, error) {
		return []any{keys[i], numbers[i], numbers[i], notes[i]}, nil
	}))
	return err
}

func byCopy(ctx context.Context, tx pgx.Tx, keys []string, numbers []int64, notes []string) error {
	return copyInto(ctx, tx, "filled", keys, numbers, notes)
}

func byCopyAndMerge(ctx context.Context, tx pgx.Tx, keys []string, numbers []int64, notes []string) error {
	if _, err := tx.Exec(ctx, "CREATE TEMP TABLE IF NOT EXISTS staged (LIKE filled) ON COMMIT DELETE ROWS"); err != nil {
		return err
	}
	if err := copyInto(ctx, tx, "staged", keys, numbers, notes); err != nil {
		return err
	}
	_, err := tx.Exec(ctx, "INSERT INTO filled SELECT * FROM staged"+replacing)
	return err
}
