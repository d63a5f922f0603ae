package engine_test

import (
	"errors"
	"testing"

	"github.com/strandlog/strand/brokerd/engine"
)

func TestHealth(t *testing.T) {
	e := start(t, engine.Config{})
	create(t, e, stream("a"))
	if err := e.Health(); err != nil {
		t.Errorf("healthy: %v", err)
	}
	// This is what the engine does to itself when the disk is full.
	if err := e.Server().ShutdownJetStream(); err != nil {
		t.Fatal(err)
	}
	if err := e.Health(); !errors.Is(err, engine.ErrDisabled) {
		t.Errorf("Health = %v", err)
	}
	if e.IsLeader("a") {
		t.Error("a disabled engine leads")
	}
	if _, _, err := e.Bounds(t.Context(), "a"); !errors.Is(err, engine.ErrDisabled) {
		t.Errorf("LastSeq = %v", err)
	}
	if _, err := e.ReadOne(t.Context(), "a", 1); !errors.Is(err, engine.ErrDisabled) {
		t.Errorf("ReadOne = %v", err)
	}
}

func TestSpaceOnTheVolume(t *testing.T) {
	dir := t.TempDir()
	if err := start(t, engine.Config{Dir: dir, FreeBytesMin: 1}).Space(); err != nil {
		t.Errorf("one byte is free: %v", err)
	}
	e := start(t, engine.Config{FreeBytesMin: 1 << 62})
	err := e.Space()
	space, ok := errors.AsType[*engine.SpaceError](err)
	if !ok || !errors.Is(err, engine.ErrSpace) || space.FreeMin != 1<<62 || space.Free <= 0 {
		t.Fatalf("Space = %v", err)
	}
	contains(t, err, "free or add space", space.Dir)
}

func TestSpaceRunsOutBeforeTheEngineRefuses(t *testing.T) {
	const most = 4 << 20
	e := start(t, engine.Config{StoreBytesMax: most, FreeBytesMin: 1, UnsafeNoSync: true})
	create(t, e, stream("a"))
	s := newSession(t, e, "a")
	data := make([]byte, 64<<10)
	for seq := uint64(1); e.Space() == nil; seq++ {
		if seq > 2*most/uint64(len(data)) {
			t.Fatal("the store is over its limit and Space is nil")
		}
		s.fill(seq, seq, data)
	}
	space, ok := errors.AsType[*engine.SpaceError](e.Space())
	if !ok || space.StoreMax != most || space.Store <= 0 || space.Store > most {
		t.Errorf("Space = %+v", space)
	}
	contains(t, space, "StoreBytesMax")
}
