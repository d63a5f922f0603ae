package commitlog

import (
	"context"
	"fmt"
	"time"
)

// scanMax is the number of records among which the first one of a time is found faster by reading them than by asking again.
const scanMax = 4096

// OffsetAt returns the offset of the first record of a partition that was stored at a time or later, and the partition's end as it was when the topic was
// looked up when there is none. Topics that keep the times of producers have no such order: ErrInvalid. Other errors are those of a Records that is not
// live.
func (c *Client) OffsetAt(ctx context.Context, t Topic, partition int32, at time.Time) (int64, error) {
	if t.ProducerTime {
		return 0, &InvalidError{Reason: fmt.Sprintf("the records of topic %q have the times that producers gave them, which are in no order: begin at an offset", t.Name)}
	}
	if err := checkPartition(t, partition); err != nil {
		return 0, err
	}
	from, to := t.Partitions[partition].Start, t.Partitions[partition].End
	for to-from > scanMax {
		middle := from + (to-from)/2
		for r, err := range c.Records(ctx, t, partition, Range{From: middle, To: middle + 1}) {
			switch {
			case err != nil:
				return 0, err
			case r.Time.Before(at):
				from = middle + 1
			default:
				to = middle
			}
		}
	}
	if from >= to {
		return to, nil
	}
	for r, err := range c.Records(ctx, t, partition, Range{From: from, To: to}) {
		if err != nil {
			return 0, err
		}
		if !r.Time.Before(at) {
			return r.Offset, nil
		}
	}
	return to, nil
}
