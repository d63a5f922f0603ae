package eventstore

import (
	"errors"
	"iter"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// partOf yields events of these times, in seconds, and then an error if there is one. It counts the parts that are open.
func partOf(partition int32, seconds []int, err error, open *int) iter.Seq2[Event, error] {
	return func(yield func(Event, error) bool) {
		*open++
		defer func() { *open-- }()
		for i, s := range seconds {
			e := Event{Position: Position{Partition: partition, Offset: int64(i)}, Time: time.Unix(int64(s), 0)}
			if !yield(e, nil) {
				return
			}
		}
		if err != nil {
			yield(Event{}, err)
		}
	}
}

// A merge is the same as sorting everything, stably, by time and partition.
func TestMerge(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var m merge
		var want []Event
		open := 0
		for p, seconds := range rapid.SliceOfN(rapid.SliceOfN(rapid.IntRange(0, 9), 0, 8), 0, 12).Draw(t, "parts") {
			slices.Sort(seconds)
			m.add(partOf(int32(p), seconds, nil, &open))
			partOf(int32(p), seconds, nil, new(int))(func(e Event, _ error) bool {
				want = append(want, e)
				return true
			})
		}
		slices.SortStableFunc(want, func(a, b Event) int { return a.Time.Compare(b.Time) })
		stopAfter := rapid.IntRange(0, len(want)+1).Draw(t, "stop after")
		for i := range stopAfter {
			e, ok, err := m.next()
			if err != nil || ok != (i < len(want)) {
				t.Fatalf("event %d of %d: %t, %v", i, len(want), ok, err)
			}
			if ok && (e.Position != want[i].Position || !e.Time.Equal(want[i].Time)) {
				t.Fatalf("event %d is %s at %v, want %s at %v", i, e.Position, e.Time, want[i].Position, want[i].Time)
			}
		}
		m.stop()
		if open != 0 {
			t.Errorf("%d parts are still open", open)
		}
	})
}

func TestMergeEndsWithTheFirstError(t *testing.T) {
	for name, times := range map[string][]int{"at once": nil, "later": {3}} {
		t.Run(name, func(t *testing.T) {
			failure := errors.New("the disk is on fire")
			var m merge
			open := 0
			m.add(partOf(0, []int{1, 2, 9}, nil, &open))
			m.add(partOf(1, times, failure, &open))
			var err error
			n := 0
			for ok := true; ok; n++ {
				_, ok, err = m.next()
			}
			if want := 1 + 3*len(times); !errors.Is(err, failure) || n != want {
				t.Errorf("%d calls, then %v", n, err)
			}
			m.stop()
			if open != 0 {
				t.Errorf("%d parts are still open", open)
			}
		})
	}
}
