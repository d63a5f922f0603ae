package commitlog

import (
	"bytes"
	"fmt"
	"testing"

	"github.com/strandlog/strand/internal/recordbatch"
	"github.com/strandlog/strand/internal/wire"
)

// brokerTime is when a scripted broker stores everything.
const brokerTime = 1750000000000

// shelf stores batches as the protocol says: by ascending numbers of a producer, each once. It has no lock of its own.
type shelf struct {
	topic     *wire.TopicInfo
	records   map[int32][]recordbatch.Record
	batches   map[int32][]int // records of each batch
	known     map[numbered]wire.ProduceResult
	newest    map[uint64]int32
	forgotten uint64              // epoch up to which something of what was known is not any more
	bytes     map[numbered][]byte // of all that ever came
	broken    error               // what a producer must never send
}

// numbered names a batch for ever.
type numbered struct {
	producer uint64
	number   int32
}

func newShelf(topic *wire.TopicInfo) *shelf {
	return &shelf{
		topic: topic, records: map[int32][]recordbatch.Record{}, batches: map[int32][]int{},
		known: map[numbered]wire.ProduceResult{}, newest: map[uint64]int32{}, bytes: map[numbered][]byte{},
	}
}

func (s *shelf) evaluate(req wire.ProduceRequest) (resp wire.ProduceResponse) {
	for i := range req.Batches {
		resp.Results = append(resp.Results, s.evaluateOne(req.Producer, &req.Batches[i]))
	}
	return resp
}

// look checks what a producer promises of its batches, whatever becomes of them.
func (s *shelf) look(producer uint64, b *wire.ProduceBatch) (recordbatch.Batch, numbered) {
	batch, rest, err := recordbatch.Parse(b.Batch)
	info := batch.Info()
	key := numbered{producer, info.BaseSequence}
	had, again := s.bytes[key]
	switch {
	case err != nil:
		s.broken = err
	case len(rest) > 0 || uint64(info.ProducerID) != producer || info.ProducerEpoch != 0 || info.BaseSequence < 1:
		s.broken = fmt.Errorf("%d bytes follow the batch of %+v, sent by %d", len(rest), info, producer)
	case again && !bytes.Equal(had, b.Batch):
		s.broken = fmt.Errorf("batch %d of producer %d has changed", info.BaseSequence, producer)
	}
	s.bytes[key] = b.Batch
	return batch, key
}

func (s *shelf) evaluateOne(producer uint64, b *wire.ProduceBatch) wire.ProduceResult {
	batch, key := s.look(producer, b)
	if r, ok := s.known[key]; ok {
		r.Duplicate = true
		return r
	}
	if s.mayBeForgotten(b) {
		return wire.ProduceResult{Code: wire.Unknown}
	}
	if s.newest[producer] < int32(b.After) {
		return wire.ProduceResult{Code: wire.Early}
	}
	if key.number < s.newest[producer] {
		return wire.ProduceResult{Code: wire.OutOfOrder, Detail: fmt.Sprintf("%d after %d", key.number, s.newest[producer])}
	}
	s.newest[producer] = key.number
	stored := s.records[b.Partition]
	r := wire.ProduceResult{BaseOffset: int64(len(stored)), Timestamp: brokerTime}
	if s.topic.ProducerTime {
		r.Timestamp = 0
	}
	for rec, err := range batch.Records() {
		if err != nil {
			s.broken = err
		}
		if rec.Offset = int64(len(stored)); !s.topic.ProducerTime {
			rec.Timestamp = brokerTime
		}
		stored = append(stored, rec)
	}
	s.batches[b.Partition] = append(s.batches[b.Partition], batch.Info().Count)
	s.records[b.Partition] = stored
	s.known[key] = r
	return r
}

// mayBeForgotten says of a batch that is not known whether it may have been stored all the same.
func (s *shelf) mayBeForgotten(b *wire.ProduceBatch) bool {
	return b.Since > 0 && b.Since <= s.forgotten
}

// values lists what is stored in a partition.
func (s *shelf) values(partition int32) (values []string) {
	for _, r := range s.records[partition] {
		values = append(values, string(r.Value))
	}
	return values
}

// newPlainBroker serves a plain topic, and stores what is produced.
func newPlainBroker(shards int) *scriptedBroker {
	b := newBroker(shards)
	b.topic.Kind = wire.KindPlain
	b.shelf = newShelf(&b.topic)
	return b
}

func (b *scriptedBroker) answerProduce(shard int, payload []byte) ([]byte, error) {
	var req wire.ProduceRequest
	if err := req.Decode(payload); err != nil {
		return nil, err
	}
	b.mu.Lock()
	b.produces = append(b.produces, req)
	b.producing++
	epoch := b.topic.Shard[shard].Epoch
	b.mu.Unlock()
	defer func() {
		b.mu.Lock()
		defer b.mu.Unlock()
		b.producing--
	}()
	resp, err := wire.ProduceResponse{}, error(nil)
	if b.produce != nil {
		resp, err = b.produce(req)
	} else {
		resp = b.shelve(req)
	}
	resp.Epoch = epoch
	return resp.AppendTo(nil), err
}

// shelve stores what the protocol admits.
func (b *scriptedBroker) shelve(req wire.ProduceRequest) wire.ProduceResponse {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.shelf.evaluate(req)
}

// answerAllBatches gives every batch of a request the same result.
func answerAllBatches(req wire.ProduceRequest, r wire.ProduceResult) (resp wire.ProduceResponse) {
	for range req.Batches {
		resp.Results = append(resp.Results, r)
	}
	return resp
}

// produceOn returns a producer that is closed at the end of the test, and the client that it belongs to.
func produceOn(t *testing.T, b *scriptedBroker, cfg ProducerConfig) (*Producer, *Client) {
	t.Helper()
	c, topic := b.connect(t, Config{})
	p, err := c.Producer(t.Context(), topic, cfg)
	if err != nil {
		t.Fatal(err)
	}
	return p, c
}

// checkShelf reports what a producer must never do.
func checkShelf(t *testing.T, b *scriptedBroker) {
	t.Helper()
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.shelf.broken != nil {
		t.Error(b.shelf.broken)
	}
}
