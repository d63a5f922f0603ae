package commitlog

import (
	"fmt"
	"time"

	"github.com/strandlog/strand/internal/recordbatch"
	"github.com/strandlog/strand/internal/wire"
)

// Message is one record to send. Send copies what it needs: key, value and headers are the caller's again when it returns.
type Message struct {
	Key     []byte // at most 255 bytes; nil: none. All records of a key are in one partition
	Value   []byte // at most 1 MiB; nil: null, which deletes the key from a table
	Headers []Header

	Partition *int32    // nil: the key's, or for a record without a key any
	Time      time.Time // zero: when it is sent. For topics with ProducerTime only
}

// Delivery says where a record was stored.
type Delivery struct {
	Partition int32
	Offset    int64 // -1 of AcksNone
	Epoch     uint64
	Time      time.Time
}

// recordOverhead bounds what a record takes in a batch beyond its key, value and headers: three lengths, two deltas, a count and the attributes.
const recordOverhead = 48

// measureMessage checks a message against the limits of a topic and bounds what it takes in a batch, before anything is copied.
func measureMessage(t *Topic, m *Message) (int, error) {
	switch {
	case len(m.Key) > wire.StreamBytesMax:
		return 0, &TooLargeError{What: "key bytes", Size: len(m.Key), Max: wire.StreamBytesMax}
	case len(m.Value) > wire.RecordBytesMax:
		return 0, &TooLargeError{What: "value bytes", Size: len(m.Value), Max: wire.RecordBytesMax}
	case len(m.Key) == 0 && t.Kind == Table:
		return 0, &InvalidError{Reason: fmt.Sprintf("a record of table %q needs a key", t.Name)}
	case m.Partition != nil && (*m.Partition < 0 || int(*m.Partition) >= len(t.Partitions)):
		return 0, &InvalidError{Reason: fmt.Sprintf("topic %q has partitions 0 to %d, not %d", t.Name, len(t.Partitions)-1, *m.Partition)}
	case m.Partition != nil && t.Kind == Table:
		return 0, &InvalidError{Reason: fmt.Sprintf("the partition of a record of table %q is its key's, where Get looks for it: leave Partition out", t.Name)}
	case !m.Time.IsZero() && !t.ProducerTime:
		return 0, &InvalidError{Reason: fmt.Sprintf("the record times of topic %q are the broker's: leave Time out, or create the topic with ProducerTime", t.Name)}
	}
	headers := 0
	for i := range m.Headers {
		h := &m.Headers[i]
		if headers += len(h.Key) + len(h.Value) + headerOverhead; headers > wire.HeadersBytesMax {
			return 0, &TooLargeError{What: "header bytes of one record", Size: headers, Max: wire.HeadersBytesMax}
		}
	}
	return recordOverhead + len(m.Key) + len(m.Value) + headers, nil
}

// headerOverhead bounds the two lengths of a header.
const headerOverhead = 6

// encodeHeaders appends the encoded headers to dst.
func encodeHeaders(dst []byte, headers []Header) []byte {
	for i := range headers {
		dst = recordbatch.AppendHeader(dst, headers[i].Key, headers[i].Value)
	}
	return dst
}
