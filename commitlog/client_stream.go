package commitlog

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"iter"
	"math"
	"time"

	"github.com/strandlog/strand/internal/partitioner"
	"github.com/strandlog/strand/internal/recordbatch"
	"github.com/strandlog/strand/internal/wire"
)

// Stream reads one stream in the order of its versions, which are dense, up to where it reached when the first answer came. A stream that nothing was
// ever appended to is an empty sequence.
//
// What this client appended, and what it read before, is always seen. The errors are those of a Records that is not live, and ErrInvalidName.
func (c *Client) Stream(ctx context.Context, t Topic, q StreamQuery) iter.Seq2[StreamRecord, error] {
	return func(yield func(StreamRecord, error) bool) {
		ctx, release := c.lifetime.bind(ctx)
		defer release()
		p, err := c.newPager(t, q)
		for more := err == nil; more; {
			var page wire.StreamResponse
			if page, err = p.page(ctx); err != nil {
				break
			}
			if more, err = p.yieldPage(page, yield); err != nil {
				break
			}
		}
		if err != nil {
			yield(StreamRecord{}, err)
		}
	}
}

// pager reads a stream page by page.
type pager struct {
	*reader
	query  StreamQuery
	next   int64 // version to ask for
	head   int64 // of the first answer: the last version that is wanted
	offset int64 // of the newest record, -1: none yet
	paged  bool
}

func (c *Client) newPager(t Topic, q StreamQuery) (*pager, error) {
	if err := CheckStream(q.Stream); err != nil {
		return nil, err
	}
	if q.CommandID != "" {
		if err := checkName("command id", q.CommandID, wire.CommandBytesMax); err != nil {
			return nil, err
		}
	}
	if q.From < 0 {
		return nil, &InvalidError{Reason: fmt.Sprintf("stream %q from version %d: versions count from 1", q.Stream, q.From)}
	}
	r, err := c.newReader(t, partitioner.Partition(q.Stream, len(t.Partitions)))
	if err != nil {
		return nil, err
	}
	next := max(q.From, 1)
	if q.CommandID != "" {
		next = 1
	}
	return &pager{reader: r, query: q, next: next, offset: -1}, nil
}

func (p *pager) page(ctx context.Context) (wire.StreamResponse, error) {
	var resp wire.StreamResponse
	req := wire.StreamRequest{
		Partition: p.partition, Stream: []byte(p.query.Stream), From: p.next, CommandID: []byte(p.query.CommandID),
		MaxBytes: wire.FetchBytesMax, Strict: p.query.Strict && !p.paged,
	}
	err := p.ask(ctx, question{
		doing:    fmt.Sprintf("reading stream %q of topic %q from version %d", p.query.Stream, p.topic, p.next),
		subject:  func(at route) string { return at.stream },
		timeout:  p.client.cfg.RequestTimeout,
		patience: p.client.cfg.ReadTimeout,
		payload: func(seen mark) []byte {
			req.MinEpoch, req.MinOffset = seen.epoch, seen.offset
			return req.AppendTo(nil)
		},
		answer: func(reply []byte) (status, error) {
			if err := resp.Decode(reply); err != nil {
				return status{}, p.corrupt(-1, err)
			}
			return status{resp.Code, resp.Detail, resp.Epoch}, nil
		},
	})
	if err == nil && !p.paged {
		p.head, p.paged = resp.Head, true
	}
	return resp, err
}

// yieldPage yields a page's records and reports whether to ask for another page.
func (p *pager) yieldPage(page wire.StreamResponse, yield func(StreamRecord, error) bool) (bool, error) {
	slab := headerSlab{expected: len(page.Records)}
	for i := range page.Records {
		raw := &page.Records[i]
		if raw.Version > p.head {
			return false, nil
		}
		rec, err := p.record(raw, page.Epoch, &slab)
		if err != nil {
			return false, err
		}
		if !yield(rec, nil) {
			return false, nil
		}
		p.next, p.offset = rec.Version+1, rec.Offset
	}
	p.routes.saw(p.partition, page.Epoch, p.offset+1)
	switch {
	case p.next > p.head:
		return false, nil
	case len(page.Records) == 0:
		return false, p.corrupt(-1, fmt.Errorf("stream %q has %d versions but the answer lacks version %d", p.query.Stream, p.head, p.next))
	}
	return true, nil
}

// record checks that a record is the one that must follow.
func (p *pager) record(r *wire.StreamRecord, epoch uint64, slab *headerSlab) (StreamRecord, error) {
	first := p.query.CommandID != "" && p.offset < 0 // a command's first version is its own affair
	key, value, headers, n, err := recordbatch.DecodeRecord(r.Raw)
	switch {
	case err != nil:
	case n != len(r.Raw):
		err = fmt.Errorf("%d bytes follow the record", len(r.Raw)-n)
	case r.Version != p.next && !first || r.Version < 1 || r.Version == math.MaxInt64:
		err = fmt.Errorf("stream %q has version %d where %d must be", p.query.Stream, r.Version, p.next)
	case r.Offset <= p.offset:
		err = fmt.Errorf("stream %q has version %d at offset %d, not behind %d", p.query.Stream, r.Version, r.Offset, p.offset)
	case !bytes.Equal(key, []byte(p.query.Stream)):
		err = errors.New("the record is of another stream")
	}
	if err != nil {
		return StreamRecord{}, p.corrupt(r.Offset, err)
	}
	return StreamRecord{
		Version: r.Version,
		Record: Record{
			Partition: p.partition, Offset: r.Offset, Epoch: epoch, Time: time.UnixMilli(r.Timestamp).UTC(),
			Key: key, Value: value, Headers: slab.headers(headers),
		},
	}, nil
}
