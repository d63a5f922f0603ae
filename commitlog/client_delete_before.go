package commitlog

import (
	"context"
	"fmt"

	"github.com/strandlog/strand/internal/wire"
)

// DeleteBefore deletes the records of a partition of a plain or table topic that lie below an offset, for good, and returns the offset where the
// partition starts then. A start never moves back: an offset below it changes nothing.
//
// ErrOffsetOutOfRange means that the offset lies beyond the partition's end, and that nothing is deleted; so does ErrInvalid for a versioned topic.
// After ErrUnavailable, or ctx's error, the records may be deleted; it does no harm to ask again.
func (c *Client) DeleteBefore(ctx context.Context, t Topic, partition int32, offset int64) (start int64, err error) {
	r, err := c.newReader(t, partition)
	switch {
	case err != nil:
		return 0, err
	case t.Kind == Versioned:
		return 0, &InvalidError{Reason: fmt.Sprintf("topic %q is versioned: its records are never deleted", t.Name)}
	case offset < 0:
		at := t.Partitions[partition]
		return 0, &OffsetRangeError{Topic: t.Name, Partition: partition, Offset: offset, Start: at.Start, End: at.End}
	}
	ctx, release := c.lifetime.bind(ctx)
	defer release()
	req := wire.DeleteBeforeRequest{Partition: partition, Offset: offset}
	var resp wire.DeleteBeforeResponse
	err = r.ask(ctx, question{
		doing:    fmt.Sprintf("deleting what lies before offset %d of topic %q, partition %d", offset, t.Name, partition),
		subject:  func(at route) string { return at.deleteBefore },
		timeout:  c.cfg.RequestTimeout,
		patience: c.cfg.ReadTimeout,
		payload:  func(mark) []byte { return req.AppendTo(nil) },
		answer: func(reply []byte) (status, error) {
			if err := resp.Decode(reply); err != nil {
				return status{}, r.corrupt(-1, err)
			}
			if resp.Code == wire.OffsetRange {
				return status{}, &OffsetRangeError{Topic: t.Name, Partition: partition, Offset: offset, Start: resp.Start, End: resp.HighWatermark}
			}
			return status{resp.Code, resp.Detail, resp.Epoch}, nil
		},
	})
	if err != nil {
		return 0, err
	}
	r.routes.saw(partition, resp.Epoch, resp.Start)
	return resp.Start, nil
}
