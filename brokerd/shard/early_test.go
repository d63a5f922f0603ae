package shard

import (
	"testing"

	"github.com/strandlog/strand/internal/recordbatch"
	"github.com/strandlog/strand/internal/wire"
)

// TestEarlyBatchWaits has the second of two requests of a producer arrive first: its batch is not stored before the one that it is to follow.
func TestEarlyBatchWaits(t *testing.T) {
	f := openBatches(t, Config{Kind: wire.KindPlain})
	send := func(number int32, after uint32) wire.ProduceResult {
		batch := batchOf(7, number, recordbatch.None, pair{"k", "v"})
		answer := make(chan wire.ProduceResult, 1)
		f.Produce(0, 7, []wire.ProduceBatch{{Partition: 1, After: after, Batch: batch}}, len(batch), func(r []wire.ProduceResult) { answer <- r[0] })
		return <-answer
	}
	if r := send(2, 1); r.Code != wire.Early {
		t.Fatalf("the second of a producer of which nothing is known: %+v", r)
	}
	if r := send(1, 0); r.Code != wire.OK || r.BaseOffset != 0 {
		t.Fatalf("the first: %+v", r)
	}
	if r := send(4, 3); r.Code != wire.Early {
		t.Fatalf("the fourth without the third: %+v", r)
	}
	if r := send(2, 1); r.Code != wire.OK || r.BaseOffset != 1 {
		t.Fatalf("the second again: %+v", r)
	}
	// The third was given up: the fourth does not name it any more.
	if r := send(4, 2); r.Code != wire.OK || r.BaseOffset != 2 {
		t.Fatalf("the fourth after the second: %+v", r)
	}
	if r := send(3, 0); r.Code != wire.OutOfOrder {
		t.Fatalf("the third, late: %+v", r)
	}
	// In one request batches follow each other.
	var both []wire.ProduceBatch
	for i, number := range []int32{5, 6} {
		both = append(both, wire.ProduceBatch{Partition: 1, After: uint32(4 + i), Batch: batchOf(7, number, recordbatch.None, pair{"k", "v"})})
	}
	answer := make(chan []wire.ProduceResult, 1)
	f.Produce(0, 7, both, 1, func(r []wire.ProduceResult) { answer <- r })
	for i, r := range <-answer {
		if r.Code != wire.OK || r.BaseOffset != int64(3+i) {
			t.Errorf("batch %d of a request: %+v", i, r)
		}
	}
}
