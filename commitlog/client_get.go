package commitlog

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/strandlog/strand/internal/partitioner"
	"github.com/strandlog/strand/internal/recordbatch"
	"github.com/strandlog/strand/internal/wire"
)

// GetOption says how to look a key up.
type GetOption func(*wire.GetRequest)

// Strict has Get see at least what had been stored, by anyone, when the call began. It costs a commit.
func Strict() GetOption { return func(r *wire.GetRequest) { r.Strict = true } }

// Get returns the latest record of a key of a table topic, and false when there is none or the latest one has no value: then the record's Offset is
// what an [Update] of the key has to expect, NoRecord or that of the record that deleted it.
//
// What this client's producers delivered, and what it read before, is always seen. The errors are those of a Records that is not live.
func (c *Client) Get(ctx context.Context, t Topic, key []byte, options ...GetOption) (Record, bool, error) {
	switch {
	case t.Kind != Table:
		return Record{}, false, &InvalidError{Reason: fmt.Sprintf("topic %q is %s: only a table has a record for each key", t.Name, t.Kind)}
	case len(key) == 0:
		return Record{}, false, &InvalidError{Reason: fmt.Sprintf("looking up no key in table %q: every record of a table has one", t.Name)}
	case len(key) > wire.StreamBytesMax:
		return Record{}, false, &TooLargeError{What: "key bytes", Size: len(key), Max: wire.StreamBytesMax}
	}
	r, err := c.newReader(t, partitioner.PartitionBytes(key, len(t.Partitions)))
	if err != nil {
		return Record{}, false, err
	}
	ctx, release := c.lifetime.bind(ctx)
	defer release()
	req := wire.GetRequest{Partition: r.partition, Key: key}
	for _, option := range options {
		option(&req)
	}
	var resp wire.GetResponse
	err = r.ask(ctx, question{
		doing:    fmt.Sprintf("looking up a key in topic %q, partition %d", t.Name, r.partition),
		subject:  func(at route) string { return at.get },
		timeout:  c.cfg.RequestTimeout,
		patience: c.cfg.ReadTimeout,
		payload: func(seen mark) []byte {
			req.MinEpoch, req.MinOffset = seen.epoch, seen.offset
			return req.AppendTo(nil)
		},
		answer: func(reply []byte) (status, error) {
			if err := resp.Decode(reply); err != nil {
				return status{}, r.corrupt(-1, err)
			}
			return status{resp.Code, resp.Detail, resp.Epoch}, nil
		},
	})
	if err != nil || resp.Record == nil {
		return Record{Partition: r.partition, Offset: resp.Newest - 1}, false, err
	}
	return r.latest(key, &resp)
}

// latest checks and decodes the record of a key.
func (r *reader) latest(key []byte, resp *wire.GetResponse) (Record, bool, error) {
	got, value, headers, n, err := recordbatch.DecodeRecord(resp.Record)
	switch {
	case err != nil:
	case n != len(resp.Record):
		err = fmt.Errorf("%d bytes follow the record", len(resp.Record)-n)
	case !bytes.Equal(got, key):
		err = errors.New("the record is of another key")
	}
	if err != nil {
		return Record{}, false, r.corrupt(resp.Offset, err)
	}
	r.routes.saw(r.partition, resp.Epoch, resp.Offset+1)
	if value == nil {
		return Record{Partition: r.partition, Offset: resp.Offset}, false, nil
	}
	slab := headerSlab{expected: 1}
	return Record{
		Partition: r.partition, Offset: resp.Offset, Epoch: resp.Epoch, Time: time.UnixMilli(resp.Timestamp).UTC(),
		Key: got, Value: value, Headers: slab.headers(headers),
	}, true, nil
}
