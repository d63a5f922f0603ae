package main

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
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

// postgresSettings are the defaults but for what favours it: room for what is in use, no checkpoint and no vacuum in between. What is committed is on
// disk, as fsync, synchronous_commit and full_page_writes stay on.
const postgresSettings = `
listen_addresses = ''
max_connections = 1000 # pools that were tried stay open, and idle
shared_buffers = '1GB'
wal_level = minimal
max_wal_senders = 0
max_wal_size = '16GB'
checkpoint_timeout = '1h'
wal_buffers = '64MB'
autovacuum = off
jit = off
`

// cluster is a throw-away PostgreSQL on a unix socket.
type cluster struct {
	dir     string
	server  *exec.Cmd
	ended   chan struct{}
	outcome error // once ended is closed
}

func startCluster(ctx context.Context, dir string) (*cluster, error) {
	bin, err := postgresBinaries()
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	as, err := unprivileged(dir)
	if err != nil {
		return nil, err
	}
	data := filepath.Join(dir, "data")
	initialise := exec.CommandContext(ctx, filepath.Join(bin, "initdb"), "-D", data, "-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync")
	initialise.SysProcAttr, initialise.Dir = as, dir
	if out, err := initialise.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("initdb: %w: %s", err, out)
	}
	settings, err := os.OpenFile(filepath.Join(data, "postgresql.conf"), os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		return nil, err
	}
	_, err = settings.WriteString(postgresSettings + "unix_socket_directories = '" + dir + "'\n")
	if err := errors.Join(err, settings.Close()); err != nil {
		return nil, err
	}
	c := &cluster{dir: dir, ended: make(chan struct{})}
	c.server = exec.CommandContext(context.WithoutCancel(ctx), filepath.Join(bin, "postgres"), "-D", data)
	c.server.SysProcAttr, c.server.Dir = as, dir
	if err := c.server.Start(); err != nil {
		return nil, err
	}
	go func() {
		defer close(c.ended)
		c.outcome = c.server.Wait()
	}()
	if err := c.wait(ctx); err != nil {
		return nil, errors.Join(err, c.close())
	}
	return c, nil
}

// postgresBinaries finds the newest installed version.
func postgresBinaries() (string, error) {
	found, err := filepath.Glob("/usr/lib/postgresql/*/bin/initdb")
	if err != nil {
		return "", err
	}
	if len(found) == 0 {
		return "", errors.New("no PostgreSQL under /usr/lib/postgresql")
	}
	version := func(path string) int {
		n, _ := strconv.Atoi(strings.Split(path, "/")[4]) // others sort first
		return n
	}
	return filepath.Dir(slices.MaxFunc(found, func(a, b string) int { return version(a) - version(b) })), nil
}

// unprivileged says as whom the server runs, which refuses to be root, and gives him the directory. The server dies with us.
func unprivileged(dir string) (*syscall.SysProcAttr, error) {
	as := &syscall.SysProcAttr{Pdeathsig: syscall.SIGQUIT}
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

func (c *cluster) url() string { return "postgres:///postgres?user=postgres&host=" + c.dir }

// wait returns when the server takes connections: it says so nowhere but by taking one.
func (c *cluster) wait(ctx context.Context) error {
	retry := time.NewTicker(20 * time.Millisecond)
	defer retry.Stop()
	for {
		conn, err := pgx.Connect(ctx, c.url())
		if err == nil {
			return conn.Close(ctx)
		}
		select {
		case <-retry.C:
		case <-c.ended:
			return fmt.Errorf("the server ended: %w", c.outcome)
		case <-ctx.Done():
			return errors.Join(ctx.Err(), err)
		}
	}
}

func (c *cluster) pool(ctx context.Context, connections int) (*pgxpool.Pool, error) {
	cfg, err := pgxpool.ParseConfig(c.url())
	if err != nil {
		return nil, err
	}
	cfg.MaxConns, cfg.MinConns = int32(connections), int32(connections)
	return pgxpool.NewWithConfig(ctx, cfg)
}

// close ends the server at once: nobody needs its data.
func (c *cluster) close() error {
	err := c.server.Process.Signal(syscall.SIGQUIT)
	<-c.ended
	if errors.Is(err, os.ErrProcessDone) {
		return nil
	}
	return err
}
