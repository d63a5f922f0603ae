package segment_test

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/strandlog/strand/brokerd/segment"
)

// FuzzFile opens and reads a log whose only file has any bytes: it is refused, or reading reaches the end, or it reports damage.
func FuzzFile(f *testing.F) {
	src := newSource()
	one, two := src.batch(1, 10), src.batch(2, 0)
	f.Add(one, int64(1))
	f.Add(append(one, two...), int64(3))
	f.Add(append(one, two[:len(two)-1]...), int64(3))
	f.Add(make([]byte, 200), int64(0))
	f.Fuzz(func(t *testing.T, content []byte, next int64) {
		if len(content) == 0 {
			return // an empty log, which begins at any offset
		}
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, "00000000000000000000.batches"), content, 0o600); err != nil {
			t.Fatal(err)
		}
		l, err := segment.Open(segment.Config{Dir: dir}, next, segment.Place{Pos: int64(len(content))})
		if err != nil {
			if !errors.Is(err, segment.ErrCorrupt) {
				t.Fatalf("error %v, want ErrCorrupt", err)
			}
			return
		}
		defer l.Close()
		all, err := readUntilError(t, l)
		if err == nil && len(all) != len(content) {
			t.Fatalf("%d bytes were read of %d, and no damage reported", len(all), len(content))
		}
		if err != nil && !errors.Is(err, segment.ErrCorrupt) {
			t.Fatalf("error %v, want ErrCorrupt", err)
		}
	})
}
