package projections_test

import (
	"fmt"
	"testing"

	"github.com/strandlog/strand/projections"
)

func BenchmarkCatchUp(b *testing.B) {
	store := openStore(b, 4)
	const events = 20_000
	for i := range events / 10 {
		key := fmt.Sprint("k", i%500)
		for range 5 {
			appendTo(b, store, key, deposited{3}, withdrawn{1})
		}
	}
	for b.Loop() {
		if err := projections.CatchUp(b.Context(), store, balances(), projections.NewMemory[balance]()); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(events)*float64(b.N)/b.Elapsed().Seconds(), "events/s")
}
