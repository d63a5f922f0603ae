package shard

import (
	"strings"
	"testing"

	"github.com/strandlog/strand/brokerd/index"
	"github.com/strandlog/strand/internal/wire"
)

// TestVerifyKeys has the index of a table lead a key elsewhere: to another key's record, to one that is older, and nowhere.
func TestVerifyKeys(t *testing.T) {
	f := openBatches(t, Config{Kind: wire.KindTable})
	keys := []string{keyOf(1, 0), keyOf(1, 1), keyOf(1, 2)}
	f.mustProduce(7, 1, 1, pair{keys[0], "old"}, pair{keys[1], "v"}, pair{keys[0], "new"}, pair{keys[2], "v"})
	if err := f.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	verify := func() string {
		t.Helper()
		report, err := Verify(t.Context(), VerifyConfig{
			Log: f.log.Read(t.Context(), 1, uint64(len(f.log.messages))), Dir: f.cfg.Dir, LogID: f.cfg.LogID, Layout: f.cfg.Layout, Kind: wire.KindTable,
		})
		if err != nil {
			t.Fatal(err)
		}
		return strings.Join(report.Damage, "; ")
	}
	if damage := verify(); damage != "" {
		t.Fatalf("a sound table: %s", damage)
	}
	for name, c := range map[string]struct {
		key    string
		newest int64 // plus 1
		says   string
	}{
		"another key's record": {keys[0], 4, "stands"},
		"beyond the end":       {keys[1], 9, "goes up to 4"},
		"an older one":         {keys[2], 2, "stands at offset 3 or later"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := (&store{cfg: storeConfig{dir: f.cfg.Dir}}).indexDir()
			set := func(newest int64) {
				t.Helper()
				db, err := index.Open(dir, index.Config{})
				if err != nil {
					t.Fatal(err)
				}
				w, _, err := db.Watermark()
				if err != nil {
					t.Fatal(err)
				}
				tail := index.NewTail()
				if err := tail.Add(index.Entry{Partition: 1, Stream: c.key, Version: newest, Pointer: index.Pointer{Offset: newest - 1, Len: 1}}); err != nil {
					t.Fatal(err)
				}
				if err := db.Apply(tail, nil, w); err != nil {
					t.Fatal(err)
				}
				if err := db.Close(); err != nil {
					t.Fatal(err)
				}
			}
			sound := map[string]int64{keys[0]: 3, keys[1]: 2, keys[2]: 4}[c.key]
			set(c.newest)
			if damage := verify(); !strings.Contains(damage, c.key) || !strings.Contains(damage, c.says) {
				t.Errorf("damage %q does not say %q of key %q", damage, c.says, c.key)
			}
			set(sound)
			if damage := verify(); damage != "" {
				t.Errorf("mended: %s", damage)
			}
		})
	}
}
