package pgtest

import (
	"context"
	"fmt"
	"os"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

// shared is the cluster of the test binary.
var shared struct { //nolint:gochecknoglobals // there is one of it, as of TestMain
	once   sync.Once
	server *Server
	names  atomic.Int64
}

// Main runs the tests of a package, and then ends the cluster that they shared. check is called in between, if the tests passed.
func Main(m *testing.M, check ...func() error) {
	code := m.Run()
	if shared.server != nil {
		if err := shared.server.Remove(); err != nil {
			fmt.Fprintln(os.Stderr, "ending PostgreSQL:", err)
			code = 1
		}
	}
	for _, fn := range check {
		if err := fn(); err != nil && code == 0 {
			fmt.Fprintln(os.Stderr, err)
			code = 1
		}
	}
	os.Exit(code)
}

// Pool gives a test an empty database of its own, and connections to it.
func Pool(tb testing.TB) *pgxpool.Pool {
	tb.Helper()
	shared.once.Do(func() { shared.server = start(tb, nil) })
	if shared.server == nil {
		tb.Skip("NOT EXERCISED: there is no PostgreSQL")
	}
	return shared.server.Pool(tb)
}

// Pool gives a test an empty database on the cluster, and connections to it.
func (s *Server) Pool(tb testing.TB) *pgxpool.Pool {
	tb.Helper()
	name := fmt.Sprintf("test_%d", shared.names.Add(1))
	ctx := context.WithoutCancel(tb.Context())
	conn, err := pgx.Connect(ctx, s.URL("postgres"))
	if err != nil {
		tb.Fatal(err)
	}
	_, err = conn.Exec(ctx, "CREATE DATABASE "+name+" STRATEGY file_copy")
	if closed := conn.Close(ctx); err == nil {
		err = closed
	}
	if err != nil {
		tb.Fatal(err)
	}
	pool, err := pgxpool.New(ctx, s.URL(name))
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(pool.Close)
	return pool
}
