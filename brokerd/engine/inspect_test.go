package engine_test

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/strandlog/strand/brokerd/engine"
)

// TestInspect reads blocks without an engine: what it stored, and in a damaged file an error and no panic.
func TestInspect(t *testing.T) {
	dir := t.TempDir()
	e := start(t, engine.Config{Dir: dir, UnsafeNoSync: true})
	create(t, e, stream("a"))
	s := newSession(t, e, "a")
	const last = 30
	for seq := uint64(1); seq <= last; seq++ { // several blocks
		s.fill(seq, seq, bytes.Repeat(fmt.Appendf(nil, "%d,", seq), 200_000))
	}
	stop(t, e)
	read := func() (n uint64, err error) {
		for m, err := range engine.Inspect(dir, "a") {
			if err != nil {
				return n, err
			}
			n++
			if m.Seq != n || !bytes.Equal(m.Data, bytes.Repeat(fmt.Appendf(nil, "%d,", n), 200_000)) || m.Time.IsZero() {
				t.Fatalf("message %d has sequence %d and %d bytes", n, m.Seq, len(m.Data))
			}
		}
		return n, nil
	}
	if n, err := read(); n != last || err != nil {
		t.Fatalf("%d of %d messages: %v", n, last, err)
	}
	blocks, err := filepath.Glob(filepath.Join(dir, "jetstream", "LOG", "streams", "a", "msgs", "*.blk"))
	if err != nil || len(blocks) < 2 {
		t.Fatalf("%d blocks: %v", len(blocks), err)
	}
	data, err := os.ReadFile(blocks[0])
	if err != nil {
		t.Fatal(err)
	}
	for name, damaged := range map[string][]byte{
		"length":    append([]byte{0xff, 0xff, 0xff, 0x7f}, data[4:]...),
		"no length": append([]byte{0, 0, 0, 0}, data[4:]...),
		"truncated": data[:len(data)-3],
		"torn":      data[:10],
	} {
		if err := os.WriteFile(blocks[0], damaged, 0o600); err != nil {
			t.Fatal(err)
		}
		block := new(engine.BlockError)
		if _, err := read(); !errors.Is(err, engine.ErrBlock) || !errors.As(err, &block) || block.Path != blocks[0] {
			t.Errorf("%s: %v", name, err)
		}
	}
	if found, err := engine.HasStream(dir, "a"); !found || err != nil {
		t.Errorf("HasStream: %t, %v", found, err)
	}
	if found, err := engine.HasStream(dir, "b"); found || err != nil {
		t.Errorf("HasStream of another: %t, %v", found, err)
	}
}
