package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/strandlog/strand/commitlog"
	"github.com/strandlog/strand/connectors/postgres"
	tabletopic "github.com/strandlog/strand/connectors/table"
	"github.com/strandlog/strand/migrations"
	"github.com/strandlog/strand/projections"
)

// idleMax is how long a worker may do nothing within a transaction. PostgreSQL ends those that do for twice as long.
const idleMax = 5 * time.Second

// examineDatabase looks at the database of projections, and at these.
func (d *doctor) examineDatabase(ctx context.Context, topics []commitlog.Topic) {
	pool, err := openPool(ctx, d.database.named())
	if err != nil {
		if ctx.Err() == nil {
			d.add(finding{levelError, "database", "", firstLine(err), "start it, or name another one: --database"})
		}
		return
	}
	defer pool.Close()
	cfg := pool.Config().ConnConfig.Config
	name := cfg.Database
	blind := func(err error) {
		if ctx.Err() == nil {
			d.add(finding{levelError, "database", name, "cannot be looked at: " + firstLine(explainDatabase(err, cfg)), "look at its log; the role may need pg_read_all_stats"})
		}
	}
	server, err := postgres.Inspect(ctx, pool)
	if err != nil {
		blind(err)
		return
	}
	d.add(examineServer(name, server)...)
	switch err := migrations.Check(ctx, pool); {
	case errors.Is(err, migrations.ErrPending):
		d.add(finding{levelError, "database", name, firstLine(explainDatabase(err, cfg)), "brokerd migrate up"})
		return
	case err != nil:
		blind(err)
		return
	}
	d.add(finding{Level: levelOK, Thing: "database", Name: name, Text: "its migrations are done"})
	idle, err := postgres.IdleTransactions(ctx, pool, idleMax)
	if err != nil {
		blind(err)
		return
	}
	d.add(examineIdle(name, idle)...)
	if err := d.examineProjections(ctx, postgres.NewAdmin(pool), topics, ""); err != nil {
		blind(err)
	}
}

// examineTables looks at the projections that are kept in the log.
func (d *doctor) examineTables(ctx context.Context, topics []commitlog.Topic) {
	where := " --log"
	if d.database.named() == "" {
		where = "" // then that is what the commands look at
	}
	if err := d.examineProjections(ctx, tabletopic.NewAdmin(d.client), topics, where); err != nil && ctx.Err() == nil {
		d.add(finding{levelError, "projections", "", "those in the log cannot be looked at: " + plain(err), "bring the nodes back that lead their topics"})
	}
}

// examineServer looks at the version of a server, and at its connections.
func examineServer(name string, s postgres.Server) []finding {
	version := finding{Level: levelOK, Thing: "database", Name: name, Text: "PostgreSQL " + s.Version}
	if s.Major < postgres.MajorMin {
		version.Level, version.Remedy = levelError, fmt.Sprintf("upgrade it: projections need PostgreSQL %d or later", postgres.MajorMin)
	}
	left := max(s.ConnectionsMax-s.Connections, 0)
	connections := finding{Level: levelOK, Thing: "database", Name: name, Text: fmt.Sprintf("%d of %d connections are left", left, s.ConnectionsMax)}
	remedy := "raise max_connections, or give pools fewer (pool_max_conns): a worker needs one for each of its partitions, and one more"
	switch {
	case left == 0:
		connections.Level, connections.Remedy = levelError, remedy
	case left < s.ConnectionsMax/10:
		connections.Level, connections.Remedy = levelWarning, remedy
	}
	return []finding{version, connections}
}

// examineIdle tells of workers that hold a checkpoint and do nothing.
func examineIdle(name string, idle []postgres.IdleTransaction) (found []finding) {
	for _, t := range idle {
		found = append(found, finding{
			levelWarning, "database", name, fmt.Sprintf("%s has done nothing in its transaction for %s (process %d)", t.Owner, shownSpan(t.Idle), t.PID),
			fmt.Sprintf("PostgreSQL ends it by itself; look at what the handler waits for, or at once: SELECT pg_terminate_backend(%d)", t.PID),
		})
	}
	return found
}

// examineProjections looks at what is parked, and at what does not go on.
func (d *doctor) examineProjections(ctx context.Context, admin projections.Admin, topics []commitlog.Topic, where string) error {
	all, err := admin.List(ctx)
	if err != nil {
		return err
	}
	found := examineParked(all, where)
	late, strangers := examineBehind(all, topics)
	found = append(found, strangers...)
	if len(late) > 0 {
		pause := time.NewTimer(d.patience)
		defer pause.Stop()
		select {
		case <-pause.C:
		case <-ctx.Done():
			return ctx.Err()
		}
		now, err := admin.List(ctx)
		if err != nil {
			return err
		}
		found = append(found, examineStalled(late, now, d.patience, where)...)
	}
	if len(found) == 0 && len(all) > 0 {
		found = []finding{{Level: levelOK, Thing: "projections", Text: counted(len(all), "version") + ": nothing is parked, and all go on"}}
	}
	d.add(found...)
	return nil
}
