package pgtest

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

// settings favour short tests: what is committed is not on disk, but survives the death of the server's processes.
const settings = `
listen_addresses = ''
max_connections = 200
fsync = off
full_page_writes = off
wal_level = logical
max_wal_senders = 20
max_replication_slots = 20
`

// Server is a throw-away cluster on a unix socket.
type Server struct {
	dir, bin string
	as       *syscall.SysProcAttr
	process  *exec.Cmd
	ended    chan struct{}
	outcome  error // once ended is closed
}

// Start gives a test a cluster of its own, with more settings, until it ends.
func Start(tb testing.TB, more ...string) *Server {
	tb.Helper()
	s := start(tb, more)
	tb.Cleanup(func() {
		if err := s.Remove(); err != nil {
			tb.Errorf("ending PostgreSQL: %v", err)
		}
	})
	return s
}

func start(tb testing.TB, more []string) *Server {
	tb.Helper()
	s, err := Create(tb.Context(), more...)
	switch {
	case errors.Is(err, ErrNone) && os.Getenv("REQUIRE_POSTGRES") == "":
		tb.Skipf("NOT EXERCISED: %v", err)
	case err != nil:
		tb.Fatalf("starting PostgreSQL: %v", err)
	}
	return s
}

// ErrNone means that there is no PostgreSQL on this machine.
var ErrNone = errors.New("there is no PostgreSQL: install it (apt-get install postgresql), or set PGBIN to the folder of its binaries")

// Create starts a cluster for what is no test, with more settings; Remove ends it.
func Create(ctx context.Context, more ...string) (_ *Server, err error) {
	bin, err := binaries()
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "pg-") // not that of the test: it belongs to root, and its path is too long for a socket
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.RemoveAll(dir))
		}
	}()
	as, err := unprivileged(dir)
	if err != nil {
		return nil, err
	}
	s := &Server{dir: dir, bin: bin, as: as}
	initialise := exec.CommandContext(ctx, filepath.Join(bin, "initdb"), "-D", s.data(), "-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync", "--no-instructions")
	initialise.SysProcAttr, initialise.Dir = as, dir
	if out, err := initialise.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("initdb: %w: %s", err, out)
	}
	f, err := os.OpenFile(filepath.Join(s.data(), "postgresql.conf"), os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		return nil, err
	}
	_, err = f.WriteString(settings + strings.Join(more, "\n") + "\nunix_socket_directories = '" + dir + "'\n")
	if err := errors.Join(err, f.Close()); err != nil {
		return nil, err
	}
	return s, s.run(ctx)
}

func (s *Server) data() string { return filepath.Join(s.dir, "data") }

// run starts the server, and returns when it takes connections.
func (s *Server) run(ctx context.Context) error {
	s.process = exec.CommandContext(context.WithoutCancel(ctx), filepath.Join(s.bin, "postgres"), "-D", s.data())
	s.process.SysProcAttr, s.process.Dir = s.as, s.dir
	log, err := os.OpenFile(filepath.Join(s.dir, "log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	s.process.Stderr = log
	err = errors.Join(s.process.Start(), log.Close())
	if err != nil {
		return err
	}
	s.ended = make(chan struct{})
	go func() {
		defer close(s.ended)
		s.outcome = s.process.Wait()
	}()
	retry := time.NewTicker(10 * time.Millisecond)
	defer retry.Stop()
	for {
		conn, err := pgx.Connect(ctx, s.URL("postgres"))
		if err == nil {
			return conn.Close(ctx)
		}
		select {
		case <-retry.C:
		case <-s.ended:
			said, _ := os.ReadFile(filepath.Join(s.dir, "log"))
			return fmt.Errorf("the server ended: %w: %s", s.outcome, said)
		case <-ctx.Done():
			return errors.Join(ctx.Err(), err)
		}
	}
}

// URL is where a database of the cluster is reached.
func (s *Server) URL(database string) string {
	return "postgres:///" + database + "?user=postgres&host=" + s.dir
}

// Socket is the path of the server's socket.
func (s *Server) Socket() string { return filepath.Join(s.dir, ".s.PGSQL.5432") }

// Kill ends the server at once, as kill -9 does: its main process, whose children then end by themselves.
func (s *Server) Kill(tb testing.TB) {
	tb.Helper()
	if err := s.process.Process.Kill(); err != nil {
		tb.Fatal(err)
	}
	<-s.ended
}

// Restart starts a server that was killed. Its former children may still be about for a moment: it waits for them.
func (s *Server) Restart(tb testing.TB) {
	tb.Helper()
	deadline := time.Now().Add(30 * time.Second)
	for {
		err := s.run(tb.Context())
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			tb.Fatalf("starting PostgreSQL again: %v", err)
		}
	}
}

// Remove ends the server, if it runs, and deletes its files.
func (s *Server) Remove() error {
	err := s.process.Process.Signal(syscall.SIGQUIT)
	if errors.Is(err, os.ErrProcessDone) {
		err = nil
	}
	<-s.ended
	return errors.Join(err, os.RemoveAll(s.dir))
}

// binaries finds the folder of initdb and postgres.
func binaries() (string, error) {
	if dir := os.Getenv("PGBIN"); dir != "" {
		return dir, nil
	}
	found, err := filepath.Glob("/usr/lib/postgresql/*/bin/initdb")
	if err != nil {
		return "", err
	}
	version := func(path string) int {
		n, _ := strconv.Atoi(strings.Split(path, "/")[4]) // others sort first
		return n
	}
	if len(found) > 0 {
		return filepath.Dir(slices.MaxFunc(found, func(a, b string) int { return version(a) - version(b) })), nil
	}
	if path, err := exec.LookPath("initdb"); err == nil {
		return filepath.Dir(path), nil
	}
	return "", ErrNone
}

// unprivileged says as whom the server runs, which refuses to be root, and gives him the directory. The server ends with us.
func unprivileged(dir string) (*syscall.SysProcAttr, error) {
	as := dieWithParent()
	if os.Geteuid() != 0 {
		return as, nil
	}
	for _, name := range []string{"postgres", "nobody"} {
		found, err := user.Lookup(name)
		if err != nil {
			continue
		}
		uid, err1 := strconv.ParseUint(found.Uid, 10, 32)
		gid, err2 := strconv.ParseUint(found.Gid, 10, 32)
		if err := errors.Join(err1, err2); err != nil {
			return nil, err
		}
		as.Credential = &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}
		return as, os.Chown(dir, int(uid), int(gid))
	}
	return nil, errors.New("we are root, and there is no user postgres or nobody to run the server as")
}
