package engine_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/strandlog/strand/brokerd/engine"
)

func TestRestartKeepsTheLog(t *testing.T) {
	dir := t.TempDir()
	e := start(t, engine.Config{Dir: dir})
	create(t, e, stream("a"))
	newSession(t, e, "a").fill(1, 3, []byte("frame"))
	stop(t, e)

	began := time.Now()
	e = start(t, engine.Config{Dir: dir})
	t.Logf("ready again after %v", time.Since(began))
	info, err := e.OpenStream(t.Context(), stream("a"))
	if err != nil {
		t.Fatal(err)
	}
	if info.FirstSeq != 1 || info.LastSeq != 3 || info.Metadata["log"] != "018f" || info.Created.IsZero() {
		t.Errorf("after restart: %+v", info)
	}
	newSession(t, e, "a").fill(4, 4, []byte("frame"))
}

func TestStartIsReadyWithinASecond(t *testing.T) {
	began := time.Now()
	e := start(t, engine.Config{Listen: "127.0.0.1:0"})
	took := time.Since(began)
	t.Logf("ready after %v at %s", took, e.ClientURL())
	if took > time.Second {
		t.Errorf("ready after %v", took)
	}
}

func TestCloseIsIdempotent(t *testing.T) {
	e := start(t, engine.Config{})
	nc, err := e.LogConn()
	if err != nil {
		t.Fatal(err)
	}
	stop(t, e)
	stop(t, e)
	if !nc.IsClosed() && nc.FlushTimeout(time.Second) == nil {
		t.Error("a connection outlives the engine")
	}
	if _, err := e.LogConn(); !errors.Is(err, engine.ErrClosed) {
		t.Errorf("LogConn after Close: %v", err)
	}
	if _, _, err := e.Bounds(t.Context(), "a"); !errors.Is(err, engine.ErrClosed) {
		t.Errorf("LastSeq after Close: %v", err)
	}
	if err := e.Health(); !errors.Is(err, engine.ErrClosed) {
		t.Errorf("Health after Close: %v", err)
	}
}

func TestCloseGivesUpWaitingWithItsContext(t *testing.T) {
	e := start(t, engine.Config{})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	// The engine may win the race; it must only not be lost.
	if err := e.Close(ctx); err != nil && !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	stop(t, e)
}

func TestStartNeedsALiveContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if e, err := engine.Start(ctx, engine.Config{Dir: t.TempDir()}); !errors.Is(err, context.Canceled) {
		t.Errorf("Start = %v, %v", e, err)
	}
}

func TestStartOnATakenPort(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	_, err = engine.Start(t.Context(), engine.Config{Dir: t.TempDir(), Listen: taken.Addr().String()})
	listen, ok := errors.AsType[*engine.ListenError](err)
	if !ok || !errors.Is(err, engine.ErrListen) || !errors.Is(err, syscall.EADDRINUSE) {
		t.Fatalf("Start = %#v", err)
	}
	if listen.Address != taken.Addr().String() {
		t.Errorf("error names the address %s", listen.Address)
	}
	contains(t, err, fmt.Sprint(taken.Addr().(*net.TCPAddr).Port), "choose another port")
}

func TestStartRefusesAnAddress(t *testing.T) {
	for _, tc := range []struct{ listen, names string }{
		{"0.0.0.0:0", "AllowRemote"},
		{":0", "AllowRemote"},
		{"[::]:0", "AllowRemote"},
		{"192.0.2.1:0", "AllowRemote"},
		{"broker.example:0", "AllowRemote"},
		{"127.0.0.1", "host:port"},
		{"127.0.0.1:http", "http"},
		{"127.0.0.1:65536", "65536"},
		{"127.0.0.1:-1", "-1"},
	} {
		t.Run(tc.listen, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "data")
			_, err := engine.Start(t.Context(), engine.Config{Dir: dir, Listen: tc.listen})
			if !errors.Is(err, engine.ErrListen) {
				t.Fatalf("Start = %v", err)
			}
			contains(t, err, tc.listen, tc.names)
			if _, err := os.Stat(dir); !errors.Is(err, fs.ErrNotExist) {
				t.Error("a refused start left a directory behind")
			}
		})
	}
}

func TestStartAllowsRemoteWhenTold(t *testing.T) {
	if e := start(t, engine.Config{Listen: "0.0.0.0:0", AllowRemote: true}); e.ClientURL() == "" {
		t.Error("no client URL")
	}
}

func TestStartOnABadDirectory(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	// The embedded server keeps its files below this name, and reports trouble there only through its log.
	inner := t.TempDir()
	if err := os.WriteFile(filepath.Join(inner, "jetstream"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for name, dir := range map[string]string{"none": "", "a file": file, "a file below": inner} {
		t.Run(name, func(t *testing.T) {
			_, err := engine.Start(t.Context(), engine.Config{Dir: dir})
			if !errors.Is(err, engine.ErrStart) {
				t.Fatalf("Start = %v", err)
			}
			contains(t, err, dir)
		})
	}
}

func TestFilesArePrivate(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "a", "b")
	e := start(t, engine.Config{Dir: dir})
	create(t, e, stream("a"))
	newSession(t, e, "a").fill(1, 1, []byte("frame"))
	files := 0
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		files++
		if mode := info.Mode().Perm(); mode&0o077 != 0 {
			t.Errorf("%s has mode %o", path, mode)
		}
		return nil
	})
	if err != nil || files < 5 {
		t.Errorf("walked %d files: %v", files, err)
	}
}

func TestManyEnginesInOneProcess(t *testing.T) {
	const n = 8
	var engines [n]*engine.Engine
	for i := range engines {
		engines[i] = start(t, engine.Config{})
		create(t, engines[i], stream("a"))
		newSession(t, engines[i], "a").fill(1, uint64(i+1), []byte("frame"))
	}
	names := map[string]bool{}
	for i, e := range engines {
		names[e.Server().Name()] = true
		if _, last, err := e.Bounds(t.Context(), "a"); err != nil || last != uint64(i+1) {
			t.Errorf("engine %d: last sequence %d, %v", i, last, err)
		}
	}
	if len(names) != n {
		t.Errorf("%d engines have %d names", n, len(names))
	}
}

func TestSettingsThatDurabilityRestsOn(t *testing.T) {
	for _, unsafe := range []bool{false, true} {
		t.Run(fmt.Sprint("unsafe ", unsafe), func(t *testing.T) {
			e := start(t, engine.Config{UnsafeNoSync: unsafe, StoreBytesMax: 1 << 30})
			got := e.Server().JetStreamConfig()
			if got.SyncAlways == unsafe {
				t.Errorf("SyncAlways = %v", got.SyncAlways)
			}
			if got.MaxStore != 1<<30 {
				t.Errorf("MaxStore = %d", got.MaxStore)
			}
		})
	}
}

func TestStoreMayTakeAFixedPartOfTheVolume(t *testing.T) {
	dir := t.TempDir()
	v, err := engine.MeasureVolume(dir)
	if err != nil {
		t.Fatal(err)
	}
	e := start(t, engine.Config{Dir: dir})
	if got, want := e.Server().JetStreamConfig().MaxStore, v.Total/100*70; got != want {
		t.Errorf("MaxStore = %d, want %d of %d", got, want, v.Total)
	}
}

func TestLogger(t *testing.T) {
	var out bytes.Buffer
	e := start(t, engine.Config{Logger: slog.New(slog.NewTextHandler(&out, &slog.HandlerOptions{Level: slog.LevelDebug}))})
	stop(t, e)
	if !bytes.Contains(out.Bytes(), []byte("level=DEBUG")) {
		t.Errorf("nothing logged: %s", out.String())
	}
	for _, level := range []string{"INFO", "WARN", "ERROR"} {
		if bytes.Contains(out.Bytes(), []byte("level="+level)) {
			t.Errorf("an untroubled start and stop logs at %s:\n%s", level, out.String())
		}
	}
}
