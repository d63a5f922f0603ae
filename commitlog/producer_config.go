package commitlog

import (
	"cmp"
	"fmt"
	"time"

	"github.com/strandlog/strand/internal/recordbatch"
	"github.com/strandlog/strand/internal/wire"
)

// Acks says what a producer waits for before it calls a record delivered.
type Acks uint8

// The kinds of Acks. Of one that is not AcksNone a delivered record is on stable storage of as many nodes as the topic asks for.
const (
	AcksAll  Acks = iota
	AcksOne       // answered like AcksAll: a leader alone promises nothing
	AcksNone      // delivered once it is sent, at offset -1: it may be lost and nobody is told
)

// Compression says how a producer compresses its batches. A batch that would not become smaller is sent as it is.
type Compression uint8

// The kinds of Compression.
const (
	Uncompressed Compression = iota
	Zstd                     // the smallest
	LZ4
	S2 // the fastest; in the format of Snappy
)

func (c Compression) codec() (recordbatch.Codec, bool) {
	codecs := [...]recordbatch.Codec{Uncompressed: recordbatch.None, Zstd: recordbatch.Zstd, LZ4: recordbatch.LZ4, S2: recordbatch.Snappy}
	if int(c) >= len(codecs) {
		return 0, false
	}
	return codecs[c], true
}

// ProducerConfig tunes a producer. The zero value works.
type ProducerConfig struct {
	Acks        Acks
	Compression Compression

	// BatchBytesMax is the size at which a batch takes no more records, before it is compressed. A larger record travels alone. Default 512 KiB.
	BatchBytesMax int
	// Linger is how long a batch waits for records to join it although it could be sent. Default 0: records join while an earlier request is under way.
	Linger time.Duration
	// BufferBytesMax bounds the records that are not delivered yet, of all partitions. Default 32 MiB, at least 4 MiB.
	// Besides, each shard holds one request, of up to 4 MiB, and what compressing a batch takes.
	BufferBytesMax int
	// BufferWaitMax is how long Send waits for room in a full buffer. Default 5 s.
	BufferWaitMax time.Duration
	// DeliveryTimeout is how long after its Send a record may still be sent for another time. Default 2 minutes. It counts from the first record of a
	// batch, which others do not join for long when it cannot be sent. A request that is under way when it is over is waited for.
	DeliveryTimeout time.Duration
}

// joinPart is the part of DeliveryTimeout for which records join a batch that cannot be sent.
const joinPart = 8

func (cfg ProducerConfig) check(requestBytesMax int) (ProducerConfig, error) {
	_, known := cfg.Compression.codec()
	refuse := func(format string, args ...any) (ProducerConfig, error) {
		return cfg, &InvalidError{Reason: "producer: " + fmt.Sprintf(format, args...)}
	}
	switch {
	case cfg.Acks > AcksNone:
		return refuse("acks %d: use AcksAll, AcksOne or AcksNone", cfg.Acks)
	case !known:
		return refuse("compression %d: use Uncompressed, Zstd, LZ4 or S2", cfg.Compression)
	case cfg.BatchBytesMax < 0, cfg.Linger < 0, cfg.BufferBytesMax < 0, cfg.BufferWaitMax < 0, cfg.DeliveryTimeout < 0:
		return refuse("a negative size or time: use 0 for the default")
	}
	cfg.BatchBytesMax = min(max(cmp.Or(cfg.BatchBytesMax, 512<<10), memoryMin), requestBytesMax-produceRequestOverhead)
	cfg.BufferBytesMax = max(cmp.Or(cfg.BufferBytesMax, 32<<20), wire.AppendBytesMax)
	cfg.BufferWaitMax = cmp.Or(cfg.BufferWaitMax, 5*time.Second)
	cfg.DeliveryTimeout = cmp.Or(cfg.DeliveryTimeout, 2*time.Minute)
	return cfg, nil
}
