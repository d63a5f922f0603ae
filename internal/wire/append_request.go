package wire

import (
	"encoding/binary"
	"fmt"
	"math"
)

// RequestHeaderBytesMax bounds what an AppendRequest adds to its encoded appends, and AppendHeaderBytesMax what each append adds to its body.
const (
	RequestHeaderBytesMax = 1 + 8 + binary.MaxVarintLen32 + binary.MaxVarintLen32
	AppendHeaderBytesMax  = binary.MaxVarintLen64 + binary.MaxVarintLen64
)

// Smallest encodings, by which counts are checked before memory is taken for the elements.
const (
	appendBytesMin    = 4
	writeBytesMin     = 5
	eventBytesMin     = 19
	conditionBytesMin = 4
	termBytesMin      = 2
)

// AppendTo appends the encoded request to dst.
func (m *AppendRequest) AppendTo(dst []byte) []byte {
	dst = appendRequestHeader(dst, m.Producer, m.ProducerEpoch, len(m.Appends))
	for i := range m.Appends {
		a := &m.Appends[i]
		dst = appendAppendHeader(dst, a.Sequence, a.Since)
		dst = a.Pack(dst)
	}
	return dst
}

// Decode reads a request. Byte slices are views into b. The slices that m holds are used again, so a request that is decoded into
// over and over allocates nothing once it has seen its largest message; until then they keep the memory of earlier messages alive.
// After an error m holds nothing of use.
func (m *AppendRequest) Decode(b []byte) error {
	d := decode("AppendRequest", b, AppendBytesMax)
	if m.Producer = d.uint64("producer"); m.Producer == 0 {
		d.fail("producer", "0 is no producer")
	}
	m.ProducerEpoch = uint32(d.uvarint("producer epoch", math.MaxUint32))
	m.Appends = resize(m.Appends, d.count("appends", AppendsMax, appendBytesMin))
	for i := range m.Appends {
		a := &m.Appends[i]
		if a.Sequence = d.uvarint("sequence", math.MaxUint64); a.Sequence == 0 {
			d.fail("sequence", "sequences count from 1")
		}
		a.Since = d.uvarint("since", maxEpoch)
		a.decodeBody(&d)
		if d.err != nil {
			break
		}
	}
	return d.end()
}

// PackedRequest is an AppendRequest whose appends were encoded before: a client packs an append once, on its caller's goroutine, and
// sends it as often as it must. Its encoding is that of the AppendRequest.
type PackedRequest struct {
	Producer      uint64
	ProducerEpoch uint32
	Appends       []PackedAppend
}

// PackedAppend is an append with its packed body.
type PackedAppend struct {
	Sequence uint64
	Since    uint64
	Body     []byte // by Append.Pack
}

// AppendTo appends the encoded request to dst.
func (m *PackedRequest) AppendTo(dst []byte) []byte {
	dst = appendRequestHeader(dst, m.Producer, m.ProducerEpoch, len(m.Appends))
	for i := range m.Appends {
		a := &m.Appends[i]
		dst = appendAppendHeader(dst, a.Sequence, a.Since)
		dst = append(dst, a.Body...)
	}
	return dst
}

func appendRequestHeader(dst []byte, producer uint64, epoch uint32, appends int) []byte {
	dst = append(dst, version)
	dst = binary.BigEndian.AppendUint64(dst, producer)
	dst = appendUvarint(dst, uint64(epoch))
	return appendInt(dst, appends)
}

func appendAppendHeader(dst []byte, sequence, since uint64) []byte {
	dst = appendUvarint(dst, sequence)
	return appendUvarint(dst, since)
}

// Pack appends the body of a to dst: its writes and conditions, which stay the same however often it is sent.
func (a *Append) Pack(dst []byte) []byte {
	dst = appendInt(dst, len(a.Writes))
	for i := range a.Writes {
		w := &a.Writes[i]
		dst = appendInt(dst, w.Partition)
		dst = appendSigned(dst, int64(w.Expected))
		dst = appendBytes(dst, w.Stream)
		dst = appendBytes(dst, w.CommandID)
		dst = appendInt(dst, len(w.Events))
		for j := range w.Events {
			e := &w.Events[j]
			dst = append(dst, e.ID[:]...)
			dst = appendInt(dst, e.HeaderCount)
			dst = appendBytes(dst, e.Headers)
			dst = appendNullable(dst, e.Value)
		}
	}
	dst = appendInt(dst, len(a.Conditions))
	for i := range a.Conditions {
		c := &a.Conditions[i]
		dst = appendInt(dst, c.Partition)
		dst = appendInt(dst, c.After)
		dst = appendTerms(dst, c.Types)
		dst = appendTerms(dst, c.Tags)
	}
	return dst
}

func appendTerms(dst []byte, terms [][]byte) []byte {
	dst = appendInt(dst, len(terms))
	for _, t := range terms {
		dst = appendBytes(dst, t)
	}
	return dst
}

func (a *Append) decodeBody(d *decoder) {
	events := EventsMax // left for this append
	a.Writes = resize(a.Writes, d.count("writes", WritesMax, writeBytesMin))
	for i := range a.Writes {
		w := &a.Writes[i]
		w.Partition = d.int32("partition")
		w.Expected = Expected(d.signed("expected"))
		if w.Expected < StreamExists {
			d.fail("expected", fmt.Sprintf("%d is no expectation", w.Expected))
		}
		w.Stream = d.bytes("stream", StreamBytesMax)
		w.CommandID = d.bytes("command id", CommandBytesMax)
		w.Events = resize(w.Events, d.count("events", events, eventBytesMin))
		events -= len(w.Events)
		for j := range w.Events {
			w.Events[j].decode(d)
			if d.err != nil {
				return
			}
		}
	}
	a.Conditions = resize(a.Conditions, d.count("conditions", ConditionsMax, conditionBytesMin))
	for i := range a.Conditions {
		c := &a.Conditions[i]
		c.Partition = d.int32("condition partition")
		c.After = d.int64("condition after")
		c.Types = decodeTerms(d, "condition types", c.Types)
		c.Tags = decodeTerms(d, "condition tags", c.Tags)
	}
}

func (e *Event) decode(d *decoder) {
	copy(e.ID[:], d.fixed("event id", len(e.ID)))
	e.HeaderCount = int(d.uvarint("header count", HeadersBytesMax/headerBytesMin))
	e.Headers = d.bytes("headers", HeadersBytesMax)
	if e.HeaderCount > len(e.Headers)/headerBytesMin || e.HeaderCount == 0 && len(e.Headers) > 0 {
		d.fail("headers", fmt.Sprintf("%d bytes do not hold %d headers", len(e.Headers), e.HeaderCount))
	}
	e.Value = d.nullable("value", RecordBytesMax)
}

// headerBytesMin is an encoded header with an empty key and no value.
const headerBytesMin = 2

func decodeTerms(d *decoder, field string, terms [][]byte) [][]byte {
	terms = resize(terms, d.count(field, TermsMax, termBytesMin))
	for i := range terms {
		if terms[i] = d.bytes(field, TermBytesMax); len(terms[i]) == 0 {
			d.fail(field, "an empty one matches nothing")
		}
	}
	return terms
}
