package wire

import "math"

// ProduceRequest carries record batches of one producer to one shard of a plain or table topic, in the order in which they are to be stored.
// Each is stored or refused on its own.
type ProduceRequest struct {
	Producer uint64 // random, never 0
	Batches  []ProduceBatch
}

// ProduceBatch is one RecordBatch v2. Its header names the producer, and as base sequence the batch's number at this producer and shard: numbers
// count up from 1, skip what was given up and are never used again. Base offset, leader epoch and, unless the topic keeps the producer's time,
// the record time are the sequencer's to set.
type ProduceBatch struct {
	Partition int32
	Since     uint64 // see Append
	After     uint32 // the newest batch before it that has no outcome yet, by its number: it is stored after that one or not at all; 0: none
	Batch     []byte

	// Expected is, of a table topic, what the newest record of each of the first keys must be for the batch to be stored: its offset plus 1, 0 where there
	// is none. Otherwise the batch is refused as a Conflict.
	Expected []int64

	// Unchanged are, of a table topic, other keys of which the same is expected: the batch does not write them.
	Unchanged []Unchanged
}

// Unchanged is a key whose newest record must be a certain one.
type Unchanged struct {
	Key    []byte
	Newest int64 // its offset plus 1, 0: there is none
}

// ProduceResponse answers a ProduceRequest: one result for each batch, in the same order.
// Code is not OK when the request as a whole was refused; then Results is empty.
type ProduceResponse struct {
	Code    Code
	Detail  string
	Epoch   uint64
	Results []ProduceResult
}

// ProduceResult is the outcome of one batch.
type ProduceResult struct {
	Code       Code
	Detail     string
	Duplicate  bool  // OK, but stored by an earlier attempt
	BaseOffset int64 // of its first record (OK)
	Timestamp  int64 // of its records, ms since 1970 (OK; 0 when the topic keeps the producer's time)
}

const (
	produceBatchBytesMin  = 6
	unchangedBytesMin     = 2
	produceResultBytesMin = 2
)

// AppendTo appends the encoded request to dst.
func (m *ProduceRequest) AppendTo(dst []byte) []byte {
	dst = append(dst, version)
	dst = appendUvarint(dst, m.Producer)
	dst = appendInt(dst, len(m.Batches))
	for i := range m.Batches {
		b := &m.Batches[i]
		dst = appendInt(dst, b.Partition)
		dst = appendUvarint(dst, b.Since)
		dst = appendUvarint(dst, uint64(b.After))
		dst = appendBytes(dst, b.Batch)
		dst = appendInt(dst, len(b.Expected))
		for _, newest := range b.Expected {
			dst = appendInt(dst, newest)
		}
		dst = appendInt(dst, len(b.Unchanged))
		for _, u := range b.Unchanged {
			dst = appendBytes(dst, u.Key)
			dst = appendInt(dst, u.Newest)
		}
	}
	return dst
}

// Decode reads a request. The slice that m holds is used again; the batches are views into b.
func (m *ProduceRequest) Decode(b []byte) error {
	d := decode("ProduceRequest", b, AppendBytesMax)
	if m.Producer = d.uvarint("producer", math.MaxUint64); m.Producer == 0 {
		d.fail("producer", "0 is no producer")
	}
	m.Batches = resize(m.Batches, d.count("batches", BatchesMax, produceBatchBytesMin))
	for i := range m.Batches {
		p := &m.Batches[i]
		p.Partition = d.int32("partition")
		p.Since = d.uvarint("since", maxEpoch)
		p.After = uint32(d.uvarint("after", math.MaxInt32))
		p.Batch = d.bytes("batch", AppendBytesMax)
		p.Expected = resize(p.Expected, d.count("expected", EventsMax, 1))
		for k := range p.Expected {
			p.Expected[k] = d.int64("expected")
		}
		p.Unchanged = resize(p.Unchanged, d.count("unchanged", UnchangedMax, unchangedBytesMin))
		for k := range p.Unchanged {
			p.Unchanged[k] = Unchanged{Key: d.bytes("unchanged key", StreamBytesMax), Newest: d.int64("unchanged newest")}
		}
		if d.err != nil {
			break
		}
	}
	return d.end()
}

// AppendTo appends the encoded response to dst. A result that is OK is encoded without Detail; any other has nothing else.
func (m *ProduceResponse) AppendTo(dst []byte) []byte {
	dst = append(dst, version, byte(m.Code))
	dst = appendDetail(dst, m.Detail)
	dst = appendUvarint(dst, m.Epoch)
	dst = appendInt(dst, len(m.Results))
	for i := range m.Results {
		r := &m.Results[i]
		dst = append(dst, byte(r.Code))
		if r.Code != OK {
			dst = appendDetail(dst, r.Detail)
			continue
		}
		dst = appendBool(dst, r.Duplicate)
		dst = appendInt(dst, r.BaseOffset)
		dst = appendSigned(dst, r.Timestamp)
	}
	return dst
}

// Decode reads a response. The slice that m holds is used again.
func (m *ProduceResponse) Decode(b []byte) error {
	d := decode("ProduceResponse", b, PayloadBytesMax)
	m.Code = Code(d.byte("code"))
	m.Detail = d.detail()
	m.Epoch = d.uvarint("epoch", maxEpoch)
	m.Results = resize(m.Results, d.count("results", BatchesMax, produceResultBytesMin))
	for i := range m.Results {
		r := &m.Results[i]
		*r = ProduceResult{Code: Code(d.byte("result code"))}
		if r.Code != OK {
			r.Detail = d.detail()
		} else {
			r.Duplicate = d.bool("duplicate")
			r.BaseOffset = d.int64("base offset")
			r.Timestamp = d.signed("timestamp")
		}
		if d.err != nil {
			break
		}
	}
	return d.end()
}
