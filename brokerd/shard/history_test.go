package shard

import (
	"cmp"
	"slices"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// A history is a sorted list of writes, whatever order they come in; and what was seen of it once stays as it was.
func TestHistoryIsASortedList(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var pr producer
		var model []stored
		var views []producer
		var seen [][]stored
		order := func(a, b stored) int {
			return cmp.Or(cmp.Compare(a.sequence, b.sequence), cmp.Compare(a.write, b.write))
		}
		for range rapid.IntRange(0, 60).Draw(t, "steps") {
			switch rapid.IntRange(0, 9).Draw(t, "step") {
			case 0:
				views, seen = append(views, pr.view()), append(seen, slices.Clone(model))
			case 1:
				from := rapid.Uint64Range(1, 12).Draw(t, "keep from")
				pr.keepFrom(from)
				model = slices.DeleteFunc(slices.Clone(model), func(s stored) bool { return s.sequence < from })
			case 2:
				if len(model) == 0 {
					continue
				}
				n := rapid.IntRange(1, len(model)).Draw(t, "drop")
				last := model[n-1].sequence
				if got := pr.dropOldest(n); got != last {
					t.Fatalf("dropped up to %d, want %d", got, last)
				}
				model = slices.DeleteFunc(slices.Clone(model), func(s stored) bool { return s.sequence <= last })
			default:
				s := stored{sequence: rapid.Uint64Range(1, 12).Draw(t, "sequence"), write: rapid.Uint16Range(0, 3).Draw(t, "write"), partition: 7, count: 3}
				s.hash, s.timestamp, s.firstOffset, s.firstVersion = s.sequence*100, int64(s.sequence), int64(s.write)+10, int64(s.write)+20
				pr.add(s)
				if i, found := slices.BinarySearchFunc(model, s, order); !found {
					model = slices.Insert(slices.Clone(model), i, s)
				}
			}
			views, seen = append(views, pr), append(seen, model) // as it is
			for i := range views {
				if diff := gocmp.Diff(slices.Clone(seen[i]), slices.Collect(views[i].all()), gocmp.AllowUnexported(stored{})); diff != "" && len(seen[i]) > 0 {
					t.Fatalf("(-want +got):\n%s", diff)
				}
			}
			views, seen = views[:len(views)-1], seen[:len(seen)-1]
			for sequence := range uint64(14) {
				want := slices.DeleteFunc(slices.Clone(model), func(s stored) bool { return s.sequence != sequence })
				if got := pr.find(sequence); !slices.Equal(got, want) {
					t.Fatalf("sequence %d: %v, want %v", sequence, got, want)
				}
			}
			if pr.writes() != len(model) {
				t.Fatalf("%d writes, want %d", pr.writes(), len(model))
			}
		}
		var again producer
		if err := again.decode(pr.encode()); err != nil || !slices.Equal(slices.Collect(again.all()), model) {
			t.Fatalf("read back: %v, %v", slices.Collect(again.all()), err)
		}
	})
}

// The writes of one append cost a place each: 24 bytes.
func TestHistoryOfLargeAppendsIsSmall(t *testing.T) {
	const appends, writes = 2000, 128
	var pr producer
	for sequence := range uint64(appends) {
		for write := range uint16(writes) {
			pr.add(stored{sequence: sequence + 1, write: write, count: 1})
		}
	}
	pr.keepFrom(1)
	if per := (cap(pr.appends)*32 + cap(pr.places)*24) / (appends * writes); per > 26 {
		t.Errorf("%d bytes a write", per)
	}
}
