package commitlog

import (
	"context"

	"github.com/strandlog/strand/internal/wire"
)

// Append stores an append as a whole or not at all and says where. It returns when the append is on stable storage.
//
// Nothing is stored after ErrConflict, ErrConditionFailed, ErrOffsetOutOfRange (of a condition), ErrOverloaded, ErrNotEnoughReplicas, ErrUnavailable,
// ErrUnknownTopic, ErrAppendTooLarge, ErrInvalid, ErrShards, ErrInvalidName, or ctx's error alone. ErrIndefinite means that the outcome could not be learned, also when ctx ended while the append was in flight:
// it then wraps ctx's error, so ask for ErrIndefinite first.
//
// Append never sends events under other ids than their first ones. It copies what it needs of a: values and headers are the caller's again when
// it returns.
func (c *Client) Append(ctx context.Context, t Topic, a Append) (Appended, error) {
	if err := checkTopic(t); err != nil {
		return Appended{}, err
	}
	if err := ctx.Err(); err != nil {
		return Appended{}, err
	}
	pk, ok := c.packers.Get().(*packer)
	if !ok {
		pk = new(packer)
	}
	p := c.newPending()
	p.topic, p.append = t.Name, a
	err := pk.pack(t, a, c.requestBytesMax()-wire.RequestHeaderBytesMax-wire.AppendHeaderBytesMax, &p.packed)
	c.packers.Put(pk)
	if err != nil {
		return Appended{}, err
	}
	if err := c.submit(ctx, p.shard, t, p); err != nil {
		return Appended{}, err // which may name p's ids; and a request that was abandoned may still refer to p
	}
	result := p.result
	c.recycle(p)
	return result, nil
}

// enqueue gives an append to the appender of its shard and waits for the outcome.
func (c *Client) enqueue(ctx context.Context, shard int, t Topic, p *pending) error {
	appender, err := c.appenderOf(ctx, t, shard)
	if err != nil {
		return err
	}
	return appender.append(ctx, p)
}

// requestBytesMax bounds one append request, by the protocol and by what the connection's server takes.
func (c *Client) requestBytesMax() int { return min(wire.AppendBytesMax, c.conn.payloadBytesMax()) }
