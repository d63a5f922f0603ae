package engine_test

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/strandlog/strand/brokerd/engine"
)

// TestDamagedDescription: a stream that the engine did not take in, because of a file that says what it is, is told with that file and the way out.
func TestDamagedDescription(t *testing.T) {
	dir := t.TempDir()
	e := start(t, engine.Config{Dir: dir})
	create(t, e, stream("a"))
	newSession(t, e, "a").fill(1, 3, []byte("x"))
	stop(t, e)
	for _, c := range []struct {
		file, names, says string
		after             func(data []byte) []byte // nil: it is gone
	}{
		{"meta.inf", "meta.inf", "damaged", func(data []byte) []byte { data[len(data)/2] ^= 1; return data }},
		{"meta.sum", "meta.inf", "meta.sum", func(data []byte) []byte { data[0] ^= 1; return data }},
		{"meta.inf", "meta.inf", "empty", func([]byte) []byte { return []byte{} }},
		{"meta.inf", "meta.inf", "missing", func([]byte) []byte { return nil }},
		{"meta.sum", "meta.sum", "missing", func([]byte) []byte { return nil }},
	} {
		path := filepath.Join(dir, "jetstream", "LOG", "streams", "a", c.file)
		whole, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if after := c.after(append([]byte{}, whole...)); after == nil {
			err = os.Remove(path)
		} else {
			err = os.WriteFile(path, after, 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
		e := start(t, engine.Config{Dir: dir})
		_, err = e.OpenStream(t.Context(), stream("a"))
		if !errors.Is(err, engine.ErrDescription) || !errors.Is(err, engine.ErrUnknownStream) {
			t.Fatalf("%s %s: %v", c.file, c.says, err)
		}
		contains(t, err, filepath.Join(filepath.Dir(path), c.names), c.says, "put meta.inf and meta.sum")
		if _, err := e.Lookup(t.Context(), "b"); errors.Is(err, engine.ErrDescription) || !errors.Is(err, engine.ErrUnknownStream) {
			t.Errorf("a stream that never was: %v", err)
		}
		stop(t, e)

		// The way out.
		if err := os.WriteFile(path, whole, 0o600); err != nil {
			t.Fatal(err)
		}
		e = start(t, engine.Config{Dir: dir})
		if info, err := e.OpenStream(t.Context(), stream("a")); err != nil || info.LastSeq != 3 {
			t.Errorf("put back: %+v, %v", info, err)
		}
		stop(t, e)
	}
}
