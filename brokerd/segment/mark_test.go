package segment

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestMarksAreSparse(t *testing.T) {
	var m marks
	for i := range int64(100) {
		m = m.add(mark{offset: i, pos: i * 10_000})
	}
	m = m.add(mark{offset: 100, pos: 10_000_000})
	want := marks{{0, 0}, {7, 70_000}, {14, 140_000}, {21, 210_000}, {28, 280_000}, {35, 350_000}, {42, 420_000}, {49, 490_000},
		{56, 560_000}, {63, 630_000}, {70, 700_000}, {77, 770_000}, {84, 840_000}, {91, 910_000}, {98, 980_000}, {100, 10_000_000}}
	if diff := cmp.Diff(want, m, cmp.AllowUnexported(mark{})); diff != "" {
		t.Errorf("marks (-want +got):\n%s", diff)
	}
	for offset, want := range map[int64]struct {
		before mark
		end    int64
	}{
		0:   {mark{0, 0}, 70_000},
		6:   {mark{0, 0}, 70_000},
		7:   {mark{7, 70_000}, 140_000},
		99:  {mark{98, 980_000}, 10_000_000},
		100: {mark{100, 10_000_000}, 10_500_000},
		500: {mark{100, 10_000_000}, 10_500_000},
	} {
		if before, end := m.around(offset, 10_500_000); before != want.before || end != want.end {
			t.Errorf("around %d: %v to %d, want %v to %d", offset, before, end, want.before, want.end)
		}
	}
}
