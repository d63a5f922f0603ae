package commitlog

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/strandlog/strand/internal/recordbatch"
	"github.com/strandlog/strand/internal/wire"
)

// fetchWait is how long the broker may hold a live fetch for the first record beyond the end.
const fetchWait = 5 * time.Second

// fetcher reads a partition's batches one answer after the other and proves that they chain: no offset is missing, repeated or damaged.
type fetcher struct {
	*reader
	next int64 // offset to fetch
	end  int64 // exclusive; math.MaxInt64: not known yet or, live, none
	live bool

	earliest bool // next is a guess: begin where the partition starts
}

// fetched is what one answer brought: batches, and why there can be none behind them.
type fetched struct {
	epoch   uint64
	from    int64 // the first batch may begin below
	end     int64 // of the range, as far as it is known
	batches []recordbatch.Batch
	err     error
}

// run hands on what it fetches until the end of the range, an error, or ctx ends. It is one answer ahead of whoever takes from out.
func (f *fetcher) run(ctx context.Context, out chan<- fetched) {
	defer close(out)
	for f.next < f.end {
		got := f.observed(ctx)
		select {
		case out <- got:
		case <-ctx.Done():
			return
		}
		if got.err != nil {
			return
		}
	}
}

// fetch gets the next batches; a live one may get none. The first fetch that is not live learns where the range ends.
func (f *fetcher) fetch(ctx context.Context) fetched {
	var resp wire.FetchResponse
	req := wire.FetchRequest{Partition: f.partition, Offset: f.next, MaxBytes: int32(f.client.cfg.FetchBytesMax)}
	q := question{
		doing:    fmt.Sprintf("reading topic %q, partition %d from offset %d", f.topic, f.partition, f.next),
		subject:  func(at route) string { return at.fetch },
		timeout:  f.client.cfg.RequestTimeout,
		patience: f.client.cfg.ReadTimeout,
		payload: func(seen mark) []byte {
			req.MinEpoch, req.MinOffset = seen.epoch, seen.offset
			return req.AppendTo(nil)
		},
		answer: func(reply []byte) (status, error) {
			if err := resp.Decode(reply); err != nil {
				return status{}, f.corrupt(f.next, err)
			}
			switch {
			case resp.Code == wire.OffsetRange:
				return status{}, &OffsetRangeError{Topic: f.topic, Partition: f.partition, Offset: f.next, Start: resp.Start, End: resp.HighWatermark}
			case resp.Code == wire.OK && len(resp.Batches) == 0 && f.next < resp.HighWatermark:
				return status{}, errHeldBack
			}
			return status{resp.Code, resp.Detail, resp.Epoch}, nil
		},
	}
	if f.live {
		req.MaxWaitMS = int32(fetchWait / time.Millisecond)
		q.timeout += fetchWait
		q.patience = 0
	}
	if err := f.ask(ctx, q); err != nil {
		if outside, ok := errors.AsType[*OffsetRangeError](err); ok && f.earliest && outside.Start > f.next {
			f.next = outside.Start
			return fetched{from: f.next, end: f.end}
		}
		return fetched{err: err}
	}
	f.earliest = false
	f.routes.saw(f.partition, resp.Epoch, resp.HighWatermark)
	if !f.live {
		f.end = min(f.end, resp.HighWatermark)
	}
	got := fetched{epoch: resp.Epoch, from: f.next, end: f.end}
	if got.batches, got.err = f.chain(resp.Batches); f.live && len(resp.Batches) == 0 {
		wait(ctx, backoffMin) // the broker may not hold fetches as long as it is asked to
	}
	return got
}

var errHeldBack = errors.New("the broker answered nothing although there is more")

// chain parses batches that must continue at f.next, and moves it behind them.
func (f *fetcher) chain(b []byte) (batches []recordbatch.Batch, err error) {
	for len(b) > 0 {
		var batch recordbatch.Batch
		if batch, b, err = recordbatch.Parse(b); err != nil {
			return batches, f.corrupt(f.next, err)
		}
		info := batch.Info()
		// Only the first batch of an answer may begin below the offset that was asked for.
		if info.BaseOffset != f.next && (len(batches) > 0 || info.BaseOffset > f.next || info.Next() <= f.next) {
			return batches, f.corrupt(f.next, fmt.Errorf("a batch of offsets [%d, %d) does not continue at %d", info.BaseOffset, info.Next(), f.next))
		}
		f.next = info.Next()
		batches = append(batches, batch)
	}
	return batches, nil
}
