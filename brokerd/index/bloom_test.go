package index

import (
	"fmt"
	"sync/atomic"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"
)

// TestUnseenStreamsCostNoRead looks up streams, and in turn tags, that fall between those of an index. With the filters of all levels in RAM,
// hardly any lookup reads from the disk.
func TestUnseenStreamsCostNoRead(t *testing.T) {
	const streams, lookups = 30000, 2000
	for _, test := range []struct {
		name  string
		level int
	}{{"level 0", 0}, {"lowest level", 6}} {
		t.Run(test.name, func(t *testing.T) {
			var reads atomic.Int64
			count := errorfs.InjectorFunc(func(op errorfs.Op) error {
				if op.Kind == errorfs.OpFileReadAt {
					reads.Add(1)
				}
				return nil
			})
			disk := errorfs.Wrap(vfs.NewMem(), count)
			db, err := Open("/index", Config{fs: disk})
			if err != nil {
				t.Fatal(err)
			}
			tail := NewTail()
			for i := range streams {
				e := entry(0, fmt.Sprintf("account-%06d", 2*i), 1, "")
				e.Type, e.Tags = []byte("account.opened"), [][]byte{fmt.Appendf(nil, "name:%06d", 2*i)}
				add(t, tail, e)
			}
			if test.level == 0 { // a table goes to the lowest level if nothing of it is there
				if err := db.Apply(nil, nil, markOf(1)); err != nil {
					t.Fatal(err)
				}
			}
			if err := db.Apply(tail, nil, markOf(2)); err != nil {
				t.Fatal(err)
			}
			if m := db.pebble.Metrics(); m.Levels[test.level].TablesSize < streams {
				t.Fatalf("the run is not in level %d: %s", test.level, m)
			}
			// A database that was just opened has none of its data in RAM.
			if err := db.Close(); err != nil {
				t.Fatal(err)
			}
			if db, err = Open("/index", Config{fs: disk}); err != nil {
				t.Fatal(err)
			}
			defer func() {
				if err := db.Close(); err != nil {
					t.Error(err)
				}
			}()
			head := func(i int) int64 {
				if i/2%2 == 1 {
					_, found, err := db.Find(Query{Tags: [][]byte{fmt.Appendf(nil, "name:%06d", i)}, Types: [][]byte{[]byte("account.opened")}}, new(Steps))
					if err != nil {
						t.Fatal(err)
					}
					if found {
						return 1
					}
					return 0
				}
				v, err := db.Head(0, fmt.Sprintf("account-%06d", i))
				if err != nil {
					t.Fatal(err)
				}
				return v
			}
			for i := 0; i < streams; i += streams / 100 { // tables, their indexes and filters
				if head(2*i+1) != 0 {
					t.Fatal("found a stream that was never added")
				}
			}
			before := reads.Load()
			for i := range lookups {
				if head(2*(i*streams/lookups)+1) != 0 {
					t.Fatal("found a stream that was never added")
				}
			}
			unseen := reads.Load() - before
			for i := range lookups {
				if head(2*(i*streams/lookups)) != 1 {
					t.Fatal("a stream is missing")
				}
			}
			seen := reads.Load() - before - unseen
			t.Logf("%d lookups: %d reads when unseen, %d when seen", lookups, unseen, seen)
			if unseen > lookups*3/100 || seen < 4*unseen+100 {
				t.Error("too many reads when unseen, or the test proves nothing")
			}
		})
	}
}
