package projections_test

import (
	"testing"

	"github.com/strandlog/strand/eventstore"
	"github.com/strandlog/strand/projections"
)

// TestVerify finds nothing in a read model that is what the log makes of it, and every row in one that is not.
func TestVerify(t *testing.T) {
	store, memory := openStore(t, 3), projections.NewMemory[balance]()
	for i := range int64(300) {
		appendTo(t, store, string(rune('a'+i%26)), deposited{i}, noted{"aside"})
	}
	bad := &refusing{amount: 100}
	projection := projections.Define("balances", projections.On(bad.on))
	if err := projections.CatchUp(t.Context(), store, projection, memory, projections.OnError(projections.Park, 1)); err != nil {
		t.Fatal(err)
	}
	for _, share := range []float64{1, 0.3} {
		v, err := projections.Verify(t.Context(), store, projection, memory, share)
		if err != nil || len(v.Differences) != 0 || v.Records != 600 || share == 1 && v.Rows != 26 || share < 1 && (v.Rows == 0 || v.Rows >= 26) {
			t.Errorf("a share of %v: %+v, %v", share, v, err)
		}
	}
	wrong := projections.Define("balances", projections.Fold(func(b *balance, e eventstore.Recorded[deposited]) { b.Amount += 2 * e.Data.Amount }))
	v, err := projections.Verify(t.Context(), store, wrong, memory, 1)
	if err != nil || len(v.Differences) != 26 || v.Differences[1].Key != "b" || v.Differences[1].Folded.Amount != 2*v.Differences[1].Stored.Amount {
		t.Errorf("of another fold: %+v, %v", v, err)
	}
}
