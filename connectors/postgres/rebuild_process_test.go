package postgres_test

import (
	"cmp"
	"context"
	"fmt"
	"strings"
	"syscall"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"

	"github.com/strandlog/strand/connectors/postgres"
	"github.com/strandlog/strand/projections"
)

// rebuild makes version 2 of both projections, while a worker keeps version 1, which readers see.
type rebuild struct {
	*tallyLog
	fillers map[string]*workerProcess // by their projections
}

// TestRebuildKilledHalfWay kills the processes that make second versions in the middle of an event, half-way. Others go on from the checkpoints.
func TestRebuildKilledHalfWay(t *testing.T) {
	r := &rebuild{openTallies(t), map[string]*workerProcess{"folded": nil, "written": nil}}
	const half, first, more = 300, 600, 200
	r.appendEvents(0, first, keys)
	keeper := startWorker(t, workerSettings{Broker: r.broker, Database: r.database("keeper")})
	defer r.end(keeper)
	r.awaitKeeper(keeper)

	r.start(half)
	for projection, filler := range r.fillers {
		filler.awaitGone(t)
		r.awaitDisconnected(projection)
	}
	before := map[string]int{}
	for projection := range r.fillers {
		before[projection] = int(number(t, r.pool, "SELECT sum(next_offset)::bigint FROM strand.checkpoints WHERE version = 2 AND projection = '"+projection+"'"))
		if n := before[projection]; n <= 0 || n >= half {
			t.Errorf("%s: %d events were committed when its process died in event %d", projection, n, half)
		}
	}
	r.appendEvents(first, first+more, keys)
	r.start(0)
	for projection, filler := range r.fillers {
		if said, want := filler.await(t, "filled "), fmt.Sprintf("filled %d", first+more-before[projection]); said != want {
			t.Errorf("%s: the second process has %q, want %q: %d were committed before", projection, said, want, before[projection])
		}
	}

	r.awaitKeeper(keeper)
	r.wantViews(1)
	for projection := range r.fillers {
		if err := postgres.NewAdmin(r.pool).Switch(t.Context(), projections.ID{Name: projection, Version: 2}); err != nil {
			t.Fatal(err)
		}
	}
	r.wantViews(2)
	if n := number(t, r.pool, "SELECT count(*) FROM written.effects"); n != first+more {
		t.Errorf("there are the effects of %d events, want %d", n, first+more)
	}
}

// database is where a process finds it, with the name of its connections.
func (r *rebuild) database(process string) string {
	return r.pool.Config().ConnString() + "&pool_max_conns=16&application_name=strand%20" + process
}

// start begins with a process for each second version, which dies in that event.
func (r *rebuild) start(dieAt int) {
	r.t.Helper()
	for projection := range r.fillers {
		filler := startWorker(r.t, workerSettings{Broker: r.broker, Database: r.database(projection + "%20v2"), Fill: projection, DieAt: dieAt})
		r.fillers[projection] = filler
		r.t.Cleanup(func() { r.end(filler) })
	}
}

func (r *rebuild) end(w *workerProcess) {
	w.signal(r.t, syscall.SIGKILL)
	<-w.gone
	for _, complaint := range w.complaints() {
		r.t.Errorf("a worker %s", complaint)
	}
}

// awaitDisconnected returns when what a process sent before it died has been done, or undone.
func (r *rebuild) awaitDisconnected(projection string) {
	r.t.Helper()
	eventually(r.t, "the end of the connections of "+projection, func() bool {
		return number(r.t, r.pool, "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND application_name LIKE 'strand "+projection+" v2%'") == 0
	})
}

// awaitKeeper returns when both first versions have passed the end of the log.
func (r *rebuild) awaitKeeper(keeper *workerProcess) {
	r.t.Helper()
	end, err := r.store.End(r.t.Context())
	if err != nil {
		r.t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(r.t.Context(), patience)
	defer cancel()
	if err := cmp.Or(
		projections.AwaitCursor(ctx, folded(nil, 1), postgres.NewTable[tally](r.pool), end),
		projections.AwaitCursor(ctx, written(nil, 1), postgres.NewSink(r.pool), end),
	); err != nil {
		r.t.Fatalf("%v; the worker: %s", err, strings.Join(keeper.complaints(), "; "))
	}
}

// wantViews compares what readers see with the log, and with one version.
func (r *rebuild) wantViews(version int) {
	r.t.Helper()
	is := foldLog(r.t, r.client, version, nil)
	for name, test := range map[string]struct {
		sql  string
		want model
	}{
		"rows of streams in the table": {"SELECT key, count, sum, chain FROM folded.rows WHERE key LIKE 'k%'", is.streams},
		"rows of colours in the table": {"SELECT key, count, sum, chain FROM folded.rows WHERE key NOT LIKE 'k%'", is.colours},
		"rows of streams by handlers":  {"SELECT key, count, sum, chain FROM written.tallies", is.streams},
		"rows of colours by handlers":  {"SELECT key, count, sum, chain FROM written.colours", is.colours},
	} {
		if diff := gocmp.Diff(test.want, readModel(r.t, r.pool, test.sql)); diff != "" {
			r.t.Errorf("version %d: %s (-log +view):\n%s", version, name, diff)
		}
	}
}
