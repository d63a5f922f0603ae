package projections_test

import (
	"context"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/strandlog/strand/projections"
)

func TestRowsLoadOnceAndCollapseByKey(t *testing.T) {
	stored := map[string]int{"a": 1, "b": 2, "c": 3}
	var loaded [][]string
	rows := projections.NewRows(func(_ context.Context, keys []string, found func(string, int)) error {
		loaded = append(loaded, keys)
		for _, key := range keys {
			if row, ok := stored[key]; ok {
				found(key, row)
			}
		}
		return nil
	})
	if err := rows.Load(t.Context(), "a", "b", "a", "new"); err != nil {
		t.Fatal(err)
	}
	for _, key := range []string{"b", "a", "new", "a"} {
		row, err := rows.Row(t.Context(), key)
		if err != nil {
			t.Fatal(err)
		}
		*row += 10
	}
	rows.Delete("b")
	rows.Delete("unseen")
	if row, ok, err := rows.Get(t.Context(), "c"); row != 3 || !ok || err != nil {
		t.Errorf("c is %d, %t, %v", row, ok, err)
	}
	if row, ok, err := rows.Get(t.Context(), "b"); row != 0 || ok || err != nil {
		t.Errorf("b is %d, %t, %v after it was deleted", row, ok, err)
	}
	if diff := cmp.Diff([][]string{{"a", "b", "new"}, {"c"}}, loaded); diff != "" {
		t.Errorf("loaded (-want +got):\n%s", diff)
	}
	var changes []any
	for key, row := range rows.Changes() {
		if row == nil {
			changes = append(changes, key, nil)
		} else {
			changes = append(changes, key, *row)
		}
	}
	if diff := cmp.Diff([]any{"b", nil, "a", 21, "new", 10, "unseen", nil}, changes); diff != "" {
		t.Errorf("changes (-want +got):\n%s", diff)
	}
}

func TestRowsThatCouldNotBeLoadedAreNotEmpty(t *testing.T) {
	fails := true
	rows := projections.NewRows(func(_ context.Context, keys []string, found func(string, int)) error {
		if fails {
			return errRefused
		}
		found("a", 5)
		return nil
	})
	if _, err := rows.Row(t.Context(), "a"); err == nil {
		t.Fatal("the error of the load was lost")
	}
	fails = false
	if row, ok, err := rows.Get(t.Context(), "a"); row != 5 || !ok || err != nil {
		t.Errorf("a is %d, %t, %v, want 5", row, ok, err)
	}
}
