package postgres_test

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/strandlog/strand/connectors/postgres"
	"github.com/strandlog/strand/eventstore"
	"github.com/strandlog/strand/internal/pgtest"
	"github.com/strandlog/strand/migrations"
	"github.com/strandlog/strand/projections"
)

// lines are those that a worker logs.
type lines chan string

func (l lines) Write(line []byte) (int, error) {
	select {
	case l <- string(line):
	default:
	}
	return len(line), nil
}

// await returns a line that holds a text.
func (l lines) await(t *testing.T, text string) string {
	t.Helper()
	timeout := time.After(patience)
	for {
		select {
		case line := <-l:
			if strings.Contains(line, text) {
				return line
			}
		case <-timeout:
			t.Fatalf("nothing was logged of %q for %v", text, patience)
		}
	}
}

// outage is a worker whose database has no room for it, of one kind or the other.
type outage struct {
	pool  *pgxpool.Pool
	store *eventstore.Store
	p     *projections.Projection[pgx.Tx]
	log   lines
	ended chan error
	stop  context.CancelFunc
}

func startOutage(t *testing.T, server *pgtest.Server) *outage {
	t.Helper()
	o := &outage{
		pool: server.Pool(t), store: openNotes(t), log: make(lines, 100), ended: make(chan error, 1),
		p: noting("CREATE TABLE notes (text text); ALTER TABLE notes ALTER text SET STORAGE PLAIN", "INSERT INTO notes VALUES ($1)"),
	}
	if _, err := migrations.Migrate(t.Context(), o.pool); err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	o.stop = stop
	go func() {
		o.ended <- projections.Run(ctx, o.store, o.p, postgres.NewSink(o.pool), projections.Logger(slog.New(slog.NewTextHandler(o.log, nil))))
	}()
	addNotes(t, o.store, "1")
	o.awaitAll(t)
	return o
}

// awaitAll returns when the projection has passed all events.
func (o *outage) awaitAll(t *testing.T) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	end, err := o.store.End(ctx)
	if err == nil {
		err = projections.AwaitCursor(ctx, o.p, postgres.NewSink(o.pool), end)
	}
	if err != nil {
		select {
		case ended := <-o.ended:
			t.Fatalf("the worker ended with %v", ended)
		default:
			t.Fatal(err)
		}
	}
}

// check compares the effects with the checkpoint, and that with where it should be at least.
func (o *outage) check(t *testing.T, least, most int64) {
	t.Helper()
	n, at := number(t, o.pool, "SELECT count(*) FROM notes_v1.notes"), number(t, o.pool, "SELECT next_offset FROM strand.checkpoints")
	if n != at || n < least || n > most {
		t.Errorf("there are the effects of %d events, and the checkpoint stands at %d: %d to %d", n, at, least, most)
	}
}

func (o *outage) end(t *testing.T) {
	t.Helper()
	o.stop()
	if err := <-o.ended; err != nil {
		t.Errorf("the worker ended with %v", err)
	}
}

// TestTooManyConnections has others take every connection of the server.
func TestTooManyConnections(t *testing.T) {
	server := pgtest.Start(t, "max_connections = 10", "superuser_reserved_connections = 0", "max_wal_senders = 0")
	o := startOutage(t, server)
	database := o.pool.Config().ConnConfig.Database
	var others []*pgx.Conn
	free := func() {
		for _, c := range others {
			_ = c.Close(t.Context())
		}
		others = nil
	}
	defer free()
	take := func() {
		for {
			conn, err := pgx.Connect(t.Context(), server.URL(database))
			if err != nil {
				return
			}
			others = append(others, conn)
		}
	}
	take()
	o.pool.Reset() // the worker has to connect anew
	for _, err := others[0].Exec(t.Context(), "SELECT count(*)"); err != nil; {
		t.Fatal(err)
	}
	retry := time.NewTicker(5 * time.Millisecond)
	defer retry.Stop()
	for waiting, deadline := false, time.Now().Add(patience); !waiting; <-retry.C {
		take() // what the worker has just given up
		addNotes(t, o.store, "more")
		select {
		case line := <-o.log:
			waiting = strings.Contains(line, "too many clients") && strings.Contains(line, "notes v1") && strings.Contains(line, "partition 0")
		default:
		}
		if time.Now().After(deadline) {
			t.Fatal("the worker always found a connection")
		}
	}
	var n, at int64
	if err := others[0].QueryRow(t.Context(), "SELECT (SELECT count(*) FROM notes_v1.notes), (SELECT next_offset FROM strand.checkpoints)").Scan(&n, &at); err != nil {
		t.Fatal(err)
	}
	if n != at {
		t.Errorf("there are the effects of %d events, and the checkpoint stands at %d", n, at)
	}
	free()
	o.awaitAll(t)
	o.check(t, n, 1<<20)
	o.end(t)
}

// TestFullDisk fills the disk of the server, and then makes room again.
func TestFullDisk(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("NOT EXERCISED: a small disk needs root, to mount it")
	}
	disk, err := os.MkdirTemp("", "disk-") // the path of a socket is short
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(disk) })
	if out, err := exec.CommandContext(t.Context(), "mount", "-t", "tmpfs", "-o", "size=160m,mode=1777", "tmpfs", disk).CombinedOutput(); err != nil {
		t.Skipf("NOT EXERCISED: mounting a small disk: %v: %s", err, out)
	}
	t.Cleanup(func() {
		if out, err := exec.CommandContext(context.WithoutCancel(t.Context()), "umount", disk).CombinedOutput(); err != nil {
			t.Errorf("umount: %v: %s", err, out)
		}
	})
	t.Setenv("TMPDIR", disk)
	server := pgtest.Start(t, "min_wal_size = 32MB", "max_wal_size = 32MB")
	o := startOutage(t, server)
	hog := filepath.Join(disk, "hog")
	if err := fill(hog); err != nil {
		t.Fatal(err)
	}
	before := number(t, o.pool, "SELECT next_offset FROM strand.checkpoints")
	random := make([]byte, 4500)
	const more = 20
	for range more {
		if _, err := rand.Read(random); err != nil {
			t.Fatal(err)
		}
		addNotes(t, o.store, base64.StdEncoding.EncodeToString(random)) // a page of its own
	}
	line := o.log.await(t, "No space left on device")
	for _, part := range []string{"notes v1", "partition=0", "events/0@"} {
		if !strings.Contains(line, part) {
			t.Errorf("the log lacks %q: %s", part, line)
		}
	}
	o.check(t, before, before+more-1)
	if err := os.Remove(hog); err != nil {
		t.Fatal(err)
	}
	o.awaitAll(t)
	o.check(t, before+more, before+more)
	o.end(t)
}

// fill writes a file until the disk is full.
func fill(name string) error {
	f, err := os.Create(name)
	if err != nil {
		return err
	}
	block := make([]byte, 4096)
	for err == nil {
		_, err = f.Write(block)
	}
	if !strings.Contains(fmt.Sprint(err), "no space") {
		return err
	}
	return f.Close()
}
