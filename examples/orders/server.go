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
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"
)

const noServer = `there is no PostgreSQL on this machine. Install it (apt-get install postgresql), or say where there is one:

  docker run -d -e POSTGRES_PASSWORD=x -p 127.0.0.1:5432:5432 postgres
  DATABASE_URL=postgres://postgres:x@127.0.0.1/postgres go run ./examples/orders

It writes to the schemas strand, example_orders* and example_revenue*`

// startServer runs a PostgreSQL in a temporary directory, until stop is called. This has nothing to do with Strand: it spares you the installation.
func startServer(ctx context.Context) (url string, stop func() error, err error) {
	found, err := filepath.Glob("/usr/lib/postgresql/*/bin/initdb")
	if path, missing := exec.LookPath("initdb"); missing == nil {
		found = append(found, path)
	}
	if err != nil || len(found) == 0 {
		return "", nil, errors.New(noServer)
	}
	bin := filepath.Dir(slices.Max(found))
	dir, err := os.MkdirTemp("", "orders-")
	if err != nil {
		return "", nil, err
	}
	end := func() error { return os.RemoveAll(dir) }
	defer func() {
		if err != nil {
			err = errors.Join(err, end())
		}
	}()
	as, err := servant(dir)
	if err != nil {
		return "", nil, err
	}
	data := filepath.Join(dir, "data")
	initdb := exec.CommandContext(ctx, filepath.Join(bin, "initdb"), "-D", data, "-U", "postgres", "-A", "trust", "-E", "UTF8", "--no-sync")
	initdb.SysProcAttr, initdb.Dir = as, dir
	if out, err := initdb.CombinedOutput(); err != nil {
		return "", nil, fmt.Errorf("initdb: %w: %s", err, out)
	}
	server := exec.CommandContext(context.WithoutCancel(ctx), filepath.Join(bin, "postgres"), "-D", data, "-k", dir, "-c", "listen_addresses=", "-c", "max_connections=50")
	server.SysProcAttr, server.Dir = as, dir
	if err := server.Start(); err != nil {
		return "", nil, err
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = server.Wait()
	}()
	end = func() error {
		_ = server.Process.Signal(syscall.SIGQUIT) // nobody needs it any more
		<-ended
		return os.RemoveAll(dir)
	}
	url = "postgres:///postgres?user=postgres&host=" + dir
	retry := time.NewTicker(20 * time.Millisecond)
	defer retry.Stop()
	for {
		conn, err := pgx.Connect(ctx, url)
		if err == nil {
			return url, end, conn.Close(ctx)
		}
		select {
		case <-retry.C:
		case <-ended:
			return "", nil, fmt.Errorf("PostgreSQL ended (%v): %w", server.ProcessState, err)
		case <-ctx.Done():
			return "", nil, ctx.Err()
		}
	}
}

// servant says as whom the server runs, which refuses to be root, and gives him the directory.
func servant(dir string) (*syscall.SysProcAttr, error) {
	if os.Geteuid() != 0 {
		return &syscall.SysProcAttr{}, nil
	}
	found, err := user.Lookup("postgres")
	if err != nil {
		if found, err = user.Lookup("nobody"); err != nil {
			return nil, err
		}
	}
	uid, err1 := strconv.ParseUint(found.Uid, 10, 32)
	gid, err2 := strconv.ParseUint(found.Gid, 10, 32)
	as := &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}}
	return as, errors.Join(err1, err2, os.Chown(dir, int(uid), int(gid)))
}
