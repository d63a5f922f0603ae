package shard

import (
	"context"
	"fmt"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/strandlog/strand/internal/wire"
)

// TestCleanerAgainstWriters cleans a table without a pause while several producers write and delete the keys that it moves and the engine fails
// now and then. What is there in the end is what each key's last write made it.
func TestCleanerAgainstWriters(t *testing.T) {
	for _, window := range []int{1, 3} {
		t.Run(fmt.Sprint("window ", window), func(t *testing.T) {
			f := openBatches(t, Config{Kind: wire.KindTable, Window: window, FenceBackoffMax: 1, TailMax: 20_000, LagBytesMax: 256 << 10})
			over, stop := context.WithCancel(t.Context())
			want := make([]map[string]string, 3)
			var writers sync.WaitGroup
			for p := range want {
				want[p] = map[string]string{}
				writers.Go(func() { f.writeKeys(over, int32(p), want[p]) })
			}
			for passes, failures := 0, 0; passes < 6; {
				if err := f.retention.cleaner.pass(t.Context()); err != nil {
					if failures++; failures > 1000 {
						t.Fatal(err)
					}
					continue
				}
				if err := f.retention.release(t.Context(), true); err != nil {
					t.Fatal(err)
				}
				if passes++; passes%2 == 0 {
					f.log.mu.Lock() // the next publish is refused, and stored or not
					f.log.refuse, f.log.store = 1, !f.log.store
					f.log.mu.Unlock()
				}
			}
			stop()
			writers.Wait()
			for range 2 {
				for p := range want {
					if diff := cmp.Diff(want[p], f.table(int32(p))); diff != "" {
						t.Errorf("partition %d from its start:\n%s", p, diff)
					}
					for i := range 10 {
						k := keyOf(int32(p), i)
						if got, _ := f.get(int32(p), k); got != want[p][k] {
							t.Errorf("key %q is %q, want %q", k, got, want[p][k])
						}
					}
				}
				f.reopen(true)
			}
			if f.log.first < 2 {
				t.Error("the log was never cut")
			}
		})
	}
}

// writeKeys writes the keys of a partition until ctx ends, each batch until it is stored, and notes what they hold.
func (f *batches) writeKeys(ctx context.Context, partition int32, want map[string]string) {
	for n := int32(0); ctx.Err() == nil; n++ {
		k, v := keyOf(partition, int(n*7)%10), fmt.Sprint(partition, "/", n)
		if n%4 == 3 {
			v = tombstone
		}
		for {
			r := f.produce(uint64(partition)+1, partition, n+1, 0, pair{k, v})
			switch r.Code {
			case wire.OK:
			case wire.NotLeader, wire.Retry:
				continue
			default:
				f.t.Errorf("batch %d of partition %d: %v %s", n+1, partition, r.Code, r.Detail)
			}
			break
		}
		if want[k] = v; v == tombstone {
			delete(want, k)
		}
	}
}
