package migrations_test

import (
	"errors"
	"slices"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/strandlog/strand/internal/pgtest"
	"github.com/strandlog/strand/migrations"
)

func TestMain(m *testing.M) { pgtest.Main(m) }

// objects lists what there is in schema strand, but for goose's own table.
func objects(t *testing.T, pool *pgxpool.Pool) []string {
	t.Helper()
	rows, err := pool.Query(t.Context(), `
		SELECT 'column ' || table_name || '.' || column_name || ' ' || data_type || ' ' || is_nullable FROM information_schema.columns
			WHERE table_schema = 'strand' AND table_name <> 'schema_version'
		UNION ALL SELECT 'function ' || p.oid::regprocedure::text FROM pg_proc p WHERE p.pronamespace = to_regnamespace('strand')
		UNION ALL SELECT 'index ' || indexdef FROM pg_indexes WHERE schemaname = 'strand' AND tablename <> 'schema_version'
		ORDER BY 1`)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	var all []string
	for rows.Next() {
		var name string
		if err := rows.Scan(&name); err != nil {
			t.Fatal(err)
		}
		all = append(all, name)
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return all
}

// TestUpDownUp does, undoes and does again, and finds what it found before.
func TestUpDownUp(t *testing.T) {
	pool := pgtest.Pool(t)
	var pending *migrations.PendingError
	if err := migrations.Check(t.Context(), pool); !errors.As(err, &pending) || pending.Pending == 0 {
		t.Fatalf("an empty database: %v", err)
	}
	done, err := migrations.Migrate(t.Context(), pool)
	if err != nil || len(done) != pending.Pending {
		t.Fatalf("did %+v, %v", done, err)
	}
	if err := migrations.Check(t.Context(), pool); err != nil {
		t.Fatal(err)
	}
	first := objects(t, pool)
	for range done {
		if _, err := migrations.Down(t.Context(), pool); err != nil {
			t.Fatal(err)
		}
	}
	if left := objects(t, pool); len(left) > 0 {
		t.Errorf("undone, there is still %v", left)
	}
	if _, err := migrations.Migrate(t.Context(), pool); err != nil {
		t.Fatal(err)
	}
	if again := objects(t, pool); !slices.Equal(first, again) {
		t.Errorf("the second time there is %v, the first time %v", again, first)
	}
	if done, err := migrations.Migrate(t.Context(), pool); err != nil || len(done) != 0 {
		t.Errorf("with nothing to do: %+v, %v", done, err)
	}
}

// TestSQL has the dump do the same.
func TestSQL(t *testing.T) {
	byHand, byUs := pgtest.Pool(t), pgtest.Pool(t)
	sql, err := migrations.SQL()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := byHand.Exec(t.Context(), sql); err != nil {
		t.Fatal(err)
	}
	if _, err := migrations.Migrate(t.Context(), byUs); err != nil {
		t.Fatal(err)
	}
	if err := migrations.Check(t.Context(), byHand); err != nil {
		t.Error(err)
	}
	if a, b := objects(t, byHand), objects(t, byUs); !slices.Equal(a, b) {
		t.Errorf("the dump made %v, Migrate %v", a, b)
	}
}

// TestTogether has several processes migrate one database.
func TestTogether(t *testing.T) {
	pool := pgtest.Pool(t)
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			if _, err := migrations.Migrate(t.Context(), pool); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	if err := migrations.Check(t.Context(), pool); err != nil {
		t.Error(err)
	}
}
