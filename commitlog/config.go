package commitlog

import (
	"cmp"
	"time"

	"github.com/strandlog/strand/internal/wire"
)

// Config tunes a client. The zero value works.
type Config struct {
	// AppendTimeout is how long an append may take before its caller is told what is known of it. Default 20 s.
	AppendTimeout time.Duration
	// ReadTimeout is how long a read that is not live, or a question about topics, goes without an answer before it is given up. Default 20 s.
	ReadTimeout time.Duration
	// RequestTimeout is how long one request waits for its answer before it is sent again. Default 4 s.
	RequestTimeout time.Duration
	// QueueWaitMax is how long an append waits for room in a full queue. Default 5 s.
	QueueWaitMax time.Duration
	// QueueBytesMax bounds the appends that wait or are in flight, for each shard. Default 32 MiB, at least the 4 MiB of one append.
	QueueBytesMax int
	// QueueAppendsMax bounds their number. Default 16384.
	QueueAppendsMax int
	// FetchBytesMax is the size that an answer to a reader aims at; each reader holds up to three of them. Default 1 MiB, at most 4 MiB.
	FetchBytesMax int
	// Observer is told of appends and fetches. Default: nobody.
	Observer Observer
}

func (c Config) withDefaults() Config {
	c.AppendTimeout = cmp.Or(c.AppendTimeout, 20*time.Second)
	c.ReadTimeout = cmp.Or(c.ReadTimeout, 20*time.Second)
	c.RequestTimeout = cmp.Or(c.RequestTimeout, 4*time.Second)
	c.QueueWaitMax = cmp.Or(c.QueueWaitMax, 5*time.Second)
	c.QueueBytesMax = max(cmp.Or(c.QueueBytesMax, 32<<20), wire.AppendBytesMax)
	c.QueueAppendsMax = cmp.Or(c.QueueAppendsMax, 16384)
	c.FetchBytesMax = min(cmp.Or(c.FetchBytesMax, 1<<20), wire.FetchBytesMax)
	return c
}
