package shard

import (
	"context"
	"errors"
	"runtime"
	"strings"
	"testing"

	"github.com/strandlog/strand/internal/recordbatch"
	"github.com/strandlog/strand/internal/wire"
)

// TestGetAsksForWhatItTakes: the room that a read of a key asks for has space for its batch and all that this is inflated to, and nothing of it is taken before.
func TestGetAsksForWhatItTakes(t *testing.T) {
	const values = 8
	large := strings.Repeat("x", wire.RecordBytesMax/2)
	for _, codec := range []recordbatch.Codec{recordbatch.None, recordbatch.Zstd, recordbatch.LZ4, recordbatch.Snappy} {
		t.Run(codec.String(), func(t *testing.T) {
			f := openBatches(t, Config{Kind: wire.KindTable})
			f.mustProduce(7, 0, 1, pair{keyOf(0, 99), "a small batch before it"})
			records := make([]pair, values)
			for i := range records {
				records[i] = pair{keyOf(0, i), large}
			}
			batch := batchOf(8, 1, codec, records...)
			answer := make(chan wire.ProduceResult, 1)
			f.Produce(0, 8, []wire.ProduceBatch{{Batch: batch}}, len(batch), func(r []wire.ProduceResult) { answer <- r[0] })
			if r := <-answer; r.Code != wire.OK {
				t.Fatalf("%+v", r)
			}
			if _, err := f.store.reach(t.Context(), 0, values+1); err != nil { // the writer inflates it as well
				t.Fatal(err)
			}
			inflated := values * len(large)
			req := wire.GetRequest{Key: []byte(keyOf(0, 3))}
			var asked []int
			full := errors.New("there is no room")
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			r := f.Get(t.Context(), req, func(_ context.Context, bytes int) error {
				runtime.ReadMemStats(&after)
				asked = append(asked, bytes)
				return full
			})
			if r.Code == wire.OK || !strings.Contains(r.Detail, full.Error()) || len(asked) != 1 {
				t.Fatalf("without room: %v %q, asked %v", r.Code, r.Detail, asked)
			}
			if taken := after.TotalAlloc - before.TotalAlloc; taken > 100<<10 {
				t.Errorf("%d bytes were taken before there was room", taken)
			}
			least, most := len(batch)+inflated, len(batch)+recordbatch.InflatedBytesMax
			if codec == recordbatch.None {
				most = 2 * len(batch)
				least = len(batch)
			}
			if asked[0] < least || asked[0] > most {
				t.Errorf("it asked for %d bytes, its batch has %d and is inflated to %d", asked[0], len(batch), inflated)
			}
			if r := f.Get(t.Context(), req, nil); r.Code != wire.OK || len(r.Record) < len(large) {
				t.Errorf("with room: %v, %d bytes", r.Code, len(r.Record))
			}
			asked = nil
			r = f.Get(t.Context(), wire.GetRequest{Key: []byte(keyOf(0, 99))}, func(_ context.Context, bytes int) error {
				asked = append(asked, bytes)
				return nil
			})
			if r.Code != wire.OK || len(r.Record) == 0 || len(asked) != 1 || asked[0] > 1000 {
				t.Errorf("a small record: %v, asked %v", r.Code, asked)
			}
			if r := f.Get(t.Context(), wire.GetRequest{Key: []byte(keyOf(0, 100))}, func(context.Context, int) error { return full }); r.Code != wire.OK || r.Record != nil {
				t.Errorf("a key that has no record needs room: %+v", r)
			}
		})
	}
}
