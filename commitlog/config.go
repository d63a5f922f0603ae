package commitlog

import "time"

// Config tunes a client. The zero value works.
type Config struct {
	// AppendTimeout is how long an append may take before its outcome counts as unknown. Default 20 s.
	AppendTimeout time.Duration
	// ReadTimeout is how long a read that is not live may go without an answer. Default 20 s.
	ReadTimeout time.Duration
	// RequestTimeout is how long one request waits for its answer before it is sent again. Default 5 s.
	RequestTimeout time.Duration
	// QueueWaitMax is how long an append waits for room in a full queue. Default 5 s.
	QueueWaitMax time.Duration
	// QueueBytesMax bounds the appends that wait or are in flight for each shard. Default 32 MiB, at least wire.AppendBytesMax.
	QueueBytesMax int
	// QueueAppendsMax bounds their number. Default 16384.
	QueueAppendsMax int
	// FetchBytesMax is the size that an answer to a reader aims at; a reader holds up to three of them. Default 1 MiB.
	FetchBytesMax int
}
