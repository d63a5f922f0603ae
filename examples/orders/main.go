// Command orders keeps a read model in PostgreSQL: orders are placed, paid, shipped and cancelled on the command side, while two worker processes share the
// partitions of the log and project it. One of the workers is killed, and no event counts twice or not at all.
//
//	go run ./examples/orders                                  # on a PostgreSQL of its own, thrown away at the end
//	DATABASE_URL=postgres://… go run ./examples/orders        # on yours: in schemas example_orders*, example_revenue* and strand
//
// The broker is embedded in this process; the workers dial it. Begin reading at run; the aggregate is in order.go, the projections are in projection.go, and
// a worker is in worker.go.
package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log"
	"os"
	"os/signal"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/strandlog/strand/aggregates"
	"github.com/strandlog/strand/brokerd/broker"
	"github.com/strandlog/strand/connectors/postgres"
	"github.com/strandlog/strand/eventstore"
	"github.com/strandlog/strand/migrations"
	"github.com/strandlog/strand/projections"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	var err error
	if len(os.Args) == 4 && os.Args[1] == "worker" {
		err = work(ctx, os.Args[2], os.Args[3])
	} else {
		err = start(ctx)
	}
	if err != nil {
		stop()
		log.Fatal("orders: ", err)
	}
}

// start finds a database, and begins with an empty log.
func start(ctx context.Context) (err error) {
	database := os.Getenv("DATABASE_URL")
	if database == "" {
		var stop func() error
		if database, stop, err = startServer(ctx); err != nil {
			return err
		}
		defer func() { err = errors.Join(err, stop()) }()
	}
	pool, err := pgxpool.New(ctx, database)
	if err != nil {
		return err
	}
	defer pool.Close()
	if _, err := migrations.Migrate(ctx, pool); err != nil {
		return err
	}
	b, err := broker.Start(ctx, broker.Config{Listen: "127.0.0.1:0"})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, b.Close(context.WithoutCancel(ctx))) }()
	store, err := eventstore.Open(ctx, b.Client(), eventstore.Config{}, orderType)
	if err != nil {
		return err
	}
	s := &shop{
		pool: pool, store: store, repository: aggregates.NewRepository(store, orderType),
		table: postgres.NewTable[row](pool), sink: postgres.NewSink(pool),
	}
	return s.run(ctx, b.URL(), database)
}

// shop is the command side, and what reads.
type shop struct {
	pool       *pgxpool.Pool
	store      *eventstore.Store
	repository *aggregates.Repository[Order]
	table      *postgres.Table[row]
	sink       *postgres.Sink
}

func (s *shop) run(ctx context.Context, broker, database string) error {
	// The log is a new one: what an earlier run has left in your database belongs to another, and readers see its last version.
	if err := postgres.NewAdmin(s.pool).Switch(ctx, revenue.ID()); err != nil && !errors.Is(err, projections.ErrUnknownProjection) {
		return err
	}
	if err := cmp.Or(s.table.Reset(ctx, orders.ID()), s.sink.Reset(ctx, revenue.ID()), s.sink.Reset(ctx, netRevenue.ID())); err != nil {
		return err
	}
	ctx, stop := context.WithTimeout(ctx, 2*time.Minute)
	defer stop() // and with it the workers
	first, err := startWorker(ctx, broker, database)
	if err != nil {
		return err
	}
	second, err := startWorker(ctx, broker, database)
	if err != nil {
		return err
	}
	defer func() { _ = second.Wait() }()
	defer stop()

	if err := s.trade(ctx, 1, 40); err != nil {
		return err
	}
	fmt.Println("40 orders, two workers that project them")

	// A rule refuses, whatever the read model shows.
	_, err = s.repository.Handle(ctx, "order-4", Ship{})
	fmt.Println("refused:", err)

	// Read your own write: wait until the projection has passed it.
	root, err := s.repository.Handle(ctx, "order-5", Ship{})
	if err != nil {
		return err
	}
	if err := projections.Await(ctx, orders, s.table, root.Position); err != nil {
		return err
	}
	read, _, err := s.table.Get(ctx, orders, "order-5")
	if err != nil {
		return err
	}
	fmt.Printf("order-5 in PostgreSQL, right behind the command: %s, %d cents, %s\n", read.Customer, read.Cents, read.Status)

	// kill -9: the other worker goes on with the partitions of this one after six seconds, where they were committed.
	if err := first.Process.Kill(); err != nil {
		return err
	}
	_ = first.Wait() // it says that it was killed
	if err := s.trade(ctx, 41, 60); err != nil {
		return err
	}
	if err := s.awaitAll(ctx); err != nil {
		return err
	}
	fmt.Println("20 more orders, and one worker killed: the other has caught up")

	// What a handler cannot handle is parked, with the later events of its order. All others go on.
	if err := s.pay(ctx, "order-61", "2026-02-30"); err != nil {
		return err
	}
	if err := s.awaitAll(ctx); err != nil {
		return err
	}
	parked, err := postgres.NewAdmin(s.pool).Parked(ctx, revenue.ID())
	if err != nil {
		return err
	}
	for _, e := range parked {
		fmt.Printf("parked: %s of %s, whose day no calendar has\n", e.Type, eventstore.StreamName(e.Stream).Key())
	}
	if err := s.report(ctx, "revenue per day", "SELECT day::text, cents FROM example_revenue.days ORDER BY day"); err != nil {
		return err
	}
	if err := s.report(ctx, "orders by status", "SELECT status, count(*) FROM example_orders.rows GROUP BY status ORDER BY status"); err != nil {
		return err
	}

	// Version 2 is made from the log while version 1 is read, and handles such days. Then readers see it, all at once, under the same name.
	if err := projections.CatchUp(ctx, s.store, netRevenue, s.sink); err != nil {
		return err
	}
	if err := postgres.NewAdmin(s.pool).Switch(ctx, netRevenue.ID()); err != nil {
		return err
	}
	return s.report(ctx, "revenue per day, rebuilt without what was paid back", "SELECT day::text, cents FROM example_revenue.days ORDER BY day")
}

// trade handles some orders: all are placed, most are paid, and of these some are shipped and some cancelled.
func (s *shop) trade(ctx context.Context, from, to int) error {
	for i := from; i <= to; i++ {
		day := fmt.Sprintf("2026-03-%02d", 1+i%3)
		commands := []aggregates.Command[Order]{Place{Customer: []string{"ada", "bob", "eve"}[i%3], Cents: int64(100 * i)}}
		if i%4 != 0 {
			commands = append(commands, Pay{day})
		}
		switch {
		case i%7 == 0:
			commands = append(commands, Cancel{day})
		case i%3 == 0 && i%4 != 0:
			commands = append(commands, Ship{})
		}
		for _, command := range commands {
			if _, err := s.repository.Handle(ctx, fmt.Sprintf("order-%d", i), command); err != nil {
				return err
			}
		}
	}
	return nil
}

// pay places an order and pays it.
func (s *shop) pay(ctx context.Context, order, day string) error {
	if _, err := s.repository.Handle(ctx, order, Place{Customer: "ada", Cents: 6100}); err != nil {
		return err
	}
	_, err := s.repository.Handle(ctx, order, Pay{day})
	return err
}

// awaitAll returns when both projections have passed all that was traded.
func (s *shop) awaitAll(ctx context.Context) error {
	end, err := s.store.End(ctx)
	if err != nil {
		return err
	}
	return errors.Join(projections.AwaitCursor(ctx, orders, s.table, end), projections.AwaitCursor(ctx, revenue, s.sink, end))
}

// report prints pairs that the views of a projection give.
func (s *shop) report(ctx context.Context, title, sql string) error {
	fmt.Printf("%s:", title)
	rows, err := s.pool.Query(ctx, sql)
	if err != nil {
		return err
	}
	var name string
	var n int64
	_, err = pgx.ForEachRow(rows, []any{&name, &n}, func() error {
		fmt.Printf("  %s %d", name, n)
		return nil
	})
	fmt.Println()
	return err
}
