package commitlog

import (
	"cmp"
	"context"
	"iter"
	"math"
	"time"

	"github.com/strandlog/strand/internal/recordbatch"
)

// Records reads a partition in the order of its offsets, which are dense. A range that is not live ends where the partition ended when the first
// answer came, or at To where that is less; a live one waits for what is yet to come.
//
// ErrOffsetOutOfRange says what the partition holds when that is not the first offset of the range; it also ends a read that is so slow that what it
// was to read next has been deleted.
//
// It ends with an error when ctx does (ctx's error), and with ErrOffsetOutOfRange, ErrCorrupt, ErrLogDiverged, ErrUnknownTopic, ErrInvalid or
// ErrClosed; and, unless live, with ErrUnavailable when nobody answers for Config.ReadTimeout. A live read outlasts that.
func (c *Client) Records(ctx context.Context, t Topic, partition int32, r Range) iter.Seq2[Record, error] {
	return func(yield func(Record, error) bool) {
		reader, err := c.newReader(t, partition)
		switch {
		case err != nil:
			yield(Record{}, err)
			return
		case r.From < 0 && r.From != Earliest && r.From != Latest:
			yield(Record{}, &OffsetRangeError{Topic: t.Name, Partition: partition, Offset: r.From, Start: t.Partitions[partition].Start, End: t.Partitions[partition].End})
			return
		case r.To != 0 && r.To <= r.From:
			return
		}
		if r.From == Latest {
			now, err := c.refresh(ctx, t)
			if err != nil {
				yield(Record{}, err)
				return
			}
			r.From = now.Partitions[partition].End
		}
		ctx, release := c.lifetime.bind(ctx)
		out := make(chan fetched)
		f := &fetcher{reader: reader, next: r.From, end: cmp.Or(r.To, math.MaxInt64), live: r.Live}
		if r.From == Earliest {
			f.next, f.earliest = t.Partitions[partition].Start, true
		}
		go f.run(ctx, out)
		defer func() {
			release()
			for range out { // until run has returned
			}
		}()
		for got := range out {
			more, err := yieldRecords(got, reader, yield)
			if err != nil {
				yield(Record{}, err)
			}
			if !more {
				return
			}
		}
		if err := ended(ctx); err != nil {
			yield(Record{}, err)
		}
	}
}

// yieldRecords yields the records of one answer that lie within the range and reports whether to go on. An error is left to the caller to yield.
func yieldRecords(got fetched, r *reader, yield func(Record, error) bool) (more bool, err error) {
	for _, batch := range got.batches {
		slab := headerSlab{expected: batch.Info().Count}
		for rec, err := range batch.Records() {
			switch {
			case err != nil:
				return false, r.corrupt(batch.Info().BaseOffset, err)
			case rec.Offset < got.from:
				continue
			case rec.Offset >= got.end:
				return false, nil
			}
			if !yield(newRecord(r.partition, got.epoch, rec, &slab), nil) {
				return false, nil
			}
		}
	}
	return got.err == nil, got.err
}

func newRecord(partition int32, epoch uint64, r recordbatch.Record, slab *headerSlab) Record {
	return Record{
		Partition: partition, Offset: r.Offset, Epoch: epoch, Time: time.UnixMilli(r.Timestamp).UTC(),
		Key: r.Key, Value: r.Value, Headers: slab.headers(r.Headers),
	}
}
