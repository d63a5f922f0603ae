package projections_test

import (
	"context"
	"errors"
	"math/big"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/strandlog/strand/projections"
	"github.com/strandlog/strand/projections/projectionstest"
)

func TestMemoryIsASink(t *testing.T) {
	type counter struct{ N int64 }
	projectionstest.Run(t, func(t *testing.T) projectionstest.Harness[*projections.Rows[counter]] {
		memory := projections.NewMemory[counter]()
		return projectionstest.Harness[*projections.Rows[counter]]{
			Sink: memory,
			Add: func(ctx context.Context, rows *projections.Rows[counter], key string, n int64) error {
				row, err := rows.Row(ctx, key)
				if err != nil {
					return err
				}
				row.N += n
				return nil
			},
			Counters: func(context.Context) (map[string]int64, error) {
				counters := make(map[string]int64)
				for key, row := range memory.All() {
					counters[key] = row.N
				}
				return counters, nil
			},
		}
	})
}

// The suite cannot tell at which point of a commit its claim arrives; here it arrives between the handlers and the write.
func TestMemoryRefusesACommitThatWasOvertaken(t *testing.T) {
	memory := projections.NewMemory[balance]()
	claim := projections.Claim{Projection: "p", Version: 1, Topic: "events", Epoch: 1}
	zombie, err := memory.Claim(t.Context(), claim)
	if err != nil {
		t.Fatal(err)
	}
	err = zombie.Commit(t.Context(), projections.Mark{Next: 1}, func(rows *projections.Rows[balance]) error {
		row, err := rows.Row(t.Context(), "alice")
		if err != nil {
			return err
		}
		row.Amount++
		claim.Epoch = 2
		_, err = memory.Claim(t.Context(), claim)
		return err
	})
	if fenced, ok := errors.AsType[*projections.FencedError](err); !ok || fenced.Epoch != 1 || fenced.Owner != 2 {
		t.Errorf("the commit returned %v, want a FencedError of epoch 1 by 2", err)
	}
	wantAmounts(t, memory, nil)
}

// A row that refers to other memory is copied before handlers change it: what is rolled back was never visible.
func TestMemoryRollsBackWhatRowsReferTo(t *testing.T) {
	type inner struct{ Names []string }
	type row struct {
		ByDay map[string]*inner
		Last  any
	}
	memory := projections.NewMemory[row]()
	lane, err := memory.Claim(t.Context(), projections.Claim{Projection: "p", Version: 1, Topic: "events", Epoch: 1})
	if err != nil {
		t.Fatal(err)
	}
	change := func(name string, result error) func(*projections.Rows[row]) error {
		return func(rows *projections.Rows[row]) error {
			r, err := rows.Row(t.Context(), "k")
			if err != nil {
				return err
			}
			if r.ByDay == nil {
				r.ByDay = map[string]*inner{"monday": {Names: make([]string, 0, 8)}}
				r.Last = []int{0}
			}
			r.ByDay["monday"].Names = append(r.ByDay["monday"].Names, name)
			r.Last.([]int)[0]++
			return result
		}
	}
	if err := lane.Commit(t.Context(), projections.Mark{Next: 1}, change("kept", nil)); err != nil {
		t.Fatal(err)
	}
	before, _ := memory.Get("k")
	refused := errors.New("refused")
	if err := lane.Commit(t.Context(), projections.Mark{Next: 2}, change("rolled back", refused)); !errors.Is(err, refused) {
		t.Fatal(err)
	}
	if err := lane.Commit(t.Context(), projections.Mark{Next: 2}, change("added", nil)); err != nil {
		t.Fatal(err)
	}
	want := row{ByDay: map[string]*inner{"monday": {Names: []string{"kept"}}}, Last: []int{1}}
	if diff := cmp.Diff(want, before); diff != "" {
		t.Errorf("a row that was read before changed (-want +got):\n%s", diff)
	}
	after, _ := memory.Get("k")
	want = row{ByDay: map[string]*inner{"monday": {Names: []string{"kept", "added"}}}, Last: []int{2}}
	if diff := cmp.Diff(want, after); diff != "" {
		t.Errorf("the row (-want +got):\n%s", diff)
	}
}

type cloned struct{ names []string }

func (c cloned) Clone() cloned { return cloned{names: slices.Clone(c.names)} }

func TestMemoryRefusesRowsThatItCannotCopy(t *testing.T) {
	claim := projections.Claim{Projection: "p", Version: 1, Topic: "events", Epoch: 1}
	type row struct{ Total big.Int } // its digits are not exported
	_, err := projections.NewMemory[row]().Claim(t.Context(), claim)
	if want := "method Clone"; err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("a row with hidden references: got %v, want an error that names the %s", err, want)
	}
	if _, err := projections.NewMemory[cloned]().Claim(t.Context(), claim); err != nil {
		t.Errorf("a row with a method Clone: %v", err)
	}
}

func TestMemoryHoldsOneProjectionVersion(t *testing.T) {
	memory := projections.NewMemory[balance]()
	if _, err := memory.Claim(t.Context(), projections.Claim{Projection: "p", Version: 1, Topic: "events", Epoch: 1}); err != nil {
		t.Fatal(err)
	}
	other := projections.ID{Name: "p", Version: 2}
	_, claimed := memory.Claim(t.Context(), projections.Claim{Projection: "p", Version: 2, Topic: "events", Epoch: 1})
	var watched error
	for _, watched = range memory.Watch(t.Context(), other) {
		break
	}
	for what, err := range map[string]error{
		"claim": claimed,
		"watch": watched,
		"reset": memory.Reset(t.Context(), other),
		"setup": memory.Setup(t.Context(), other, func(*projections.Rows[balance]) error { return nil }),
	} {
		if !errors.Is(err, projections.ErrSinkInUse) {
			t.Errorf("%s of another version: got %v, want ErrSinkInUse", what, err)
		}
	}
}
