package shard

import (
	"fmt"
	"slices"

	"github.com/strandlog/strand/internal/partitioner"
	"github.com/strandlog/strand/internal/recordbatch"
	"github.com/strandlog/strand/internal/wire"
	"github.com/zeebo/xxh3"
)

// Batch is a record batch on its way through the sequencer. It is stored as it is, but for base offset, leader epoch and, unless the topic
// keeps the producer's time, record time.
type Batch struct {
	Partition int32
	Bytes     []byte
	Info      recordbatch.Info
	After     uint64   // the batch of the same producer that must be stored before; 0: none
	Keys      []string // in a table topic: of each record

	// Expected says of the first keys what their newest records must be: the offset plus 1, 0 where there is none. If one is another, the batch is refused.
	Expected  []int64
	Unchanged []unchanged // the same of keys that it does not write
	Moved     bool        // it is the cleaner's: its records keep their times

	hash uint64 // of the records
}

type unchanged struct {
	key    string
	newest int64 // its offset plus 1, 0: there is none
}

// hashRecords is what tells whether two batches under one sequence are the same: what the sequencer stamps is left out.
func hashRecords(batch []byte) uint64 { return xxh3.Hash(batch[recordbatch.HeaderBytes:]) }

// newBatch checks a batch of a producer. Its errors are for the producer to read.
func newBatch(kind string, layout Layout, producer uint64, p *wire.ProduceBatch) (*Batch, error) {
	if _, ok := layout.Slot(p.Partition); !ok {
		return nil, fmt.Errorf("partition %d is not served by shard %d of %d", p.Partition, layout.Shard, layout.Shards)
	}
	parsed, rest, err := recordbatch.Parse(p.Batch)
	if err != nil {
		return nil, err
	}
	b := &Batch{Partition: p.Partition, Bytes: p.Batch, Info: parsed.Info(), After: uint64(p.After)}
	switch {
	case len(rest) > 0:
		return nil, fmt.Errorf("%d bytes follow the batch", len(rest))
	case uint64(b.Info.ProducerID) != producer:
		return nil, fmt.Errorf("the batch is of producer %016x, the request of %016x", uint64(b.Info.ProducerID), producer)
	case b.Info.BaseSequence < 1:
		return nil, fmt.Errorf("the batch has the number %d: they count from 1", b.Info.BaseSequence)
	}
	for r, err := range parsed.Records() {
		if err == nil {
			err = checkRecord(kind, layout, p.Partition, &r)
		}
		if err != nil {
			return nil, fmt.Errorf("record %d of the batch: %w", r.Offset-b.Info.BaseOffset, err)
		}
		if kind == wire.KindTable {
			b.Keys = append(b.Keys, string(r.Key))
		}
	}
	for _, u := range p.Unchanged {
		switch {
		case kind != wire.KindTable:
			return nil, fmt.Errorf("the newest record of key %q is expected: only those of table topics have any", u.Key)
		case len(u.Key) == 0 || partitioner.PartitionBytes(u.Key, layout.Partitions) != p.Partition:
			return nil, fmt.Errorf("key %q does not belong to partition %d", u.Key, p.Partition)
		}
		b.Unchanged = append(b.Unchanged, unchanged{string(u.Key), u.Newest})
	}
	if len(p.Expected) > len(b.Keys) {
		return nil, fmt.Errorf("the newest records of %d keys are expected, and the batch has %d: only those of table topics have any", len(p.Expected), len(b.Keys))
	}
	b.hash, b.Expected = hashRecords(p.Batch), slices.Clone(p.Expected)
	return b, nil
}

func checkRecord(kind string, layout Layout, partition int32, r *recordbatch.Record) error {
	switch {
	case len(r.Value) > wire.RecordBytesMax:
		return fmt.Errorf("the value has %d bytes, at most %d are possible", len(r.Value), wire.RecordBytesMax)
	case len(r.Headers.Raw()) > wire.HeadersBytesMax:
		return fmt.Errorf("the headers have %d bytes, at most %d are possible", len(r.Headers.Raw()), wire.HeadersBytesMax)
	case kind != wire.KindTable:
		return nil
	case len(r.Key) == 0 || len(r.Key) > wire.StreamBytesMax:
		return fmt.Errorf("a key of a table topic has 1 to %d bytes, this one %d", wire.StreamBytesMax, len(r.Key))
	case partitioner.PartitionBytes(r.Key, layout.Partitions) != partition:
		return fmt.Errorf("key %q does not belong to partition %d", r.Key, partition)
	}
	return nil
}

// checkBatch refuses a batch that no state of the log could admit.
func (c *Core) checkBatch(a *Append) (wire.AppendResult, bool) {
	if c.cfg.Kind == wire.KindVersioned {
		return invalid(0, "the topic is a versioned one: append events to its streams, only plain and table topics take record batches"), false
	}
	a.hash, a.bytes = a.Batch.hash, len(a.Batch.Bytes)
	return wire.AppendResult{}, true
}

// evaluateBatch decides one batch. The batches of a producer are stored in the order of their numbers, each at most once.
func (c *Core) evaluateBatch(a *Append, f *flight) error {
	if a.Producer != 0 {
		if c.repeated(a, f) || c.outOfOrder(a, f) {
			return nil
		}
	}
	for i, expected := range a.Batch.Expected {
		if met, err := c.expect(a, f, a.Batch.Keys[i], expected); err != nil || !met {
			return err
		}
	}
	for _, u := range a.Batch.Unchanged {
		if met, err := c.expect(a, f, u.key, u.newest); err != nil || !met {
			return err
		}
	}
	c.takeBatch(a, f)
	return nil
}

// expect answers a batch that expects another newest record of a key.
func (c *Core) expect(a *Append, f *flight, key string, expected int64) (met bool, err error) {
	newest, seq, err := c.newestOf(a.Batch.Partition, key)
	if err != nil || newest == expected {
		return err == nil, err
	}
	r := wire.AppendResult{
		Code: wire.Conflict, Actual: newest - 1, Detail: fmt.Sprintf("the newest record of key %q is at offset %d, expected %d", key, newest-1, expected-1),
	}
	if expected > newest { // another sequencer may know better, as in refused
		f.attach(a, r)
	} else {
		c.attachOrReply(seq, f, a, r)
	}
	return false, nil
}

// outOfOrder answers a batch that is not stored and must not be: one with a higher number is there, or one that must come before it is not.
func (c *Core) outOfOrder(a *Append, f *flight) bool {
	newest := c.producers.newest(a.Producer)
	var seq uint64
	if n, ok := c.overlay.producers[a.Producer]; ok {
		newest, seq = n.value, n.seq
	}
	if newest < a.Batch.After {
		c.reply(a, wire.AppendResult{Code: wire.Early, Detail: fmt.Sprintf("batch %d must be stored before batch %d", a.Batch.After, a.Sequence)})
		return true
	}
	if a.Sequence >= newest {
		return false
	}
	c.attachOrReply(seq, f, a, wire.AppendResult{Code: wire.OutOfOrder, Detail: fmt.Sprintf("batch %d comes after batch %d was stored", a.Sequence, newest)})
	return true
}

// newestOf returns the newest offset plus 1 of a key, and the frame in flight that made it so (0: none).
func (c *Core) newestOf(partition int32, key string) (int64, uint64, error) {
	if n, ok := c.overlay.keys[key]; ok {
		return int64(n.value), n.seq, nil
	}
	newest, err := c.mat.Head(partition, []byte(key))
	if slot, ok := c.cfg.Layout.Slot(partition); ok && newest <= c.state.Starts[slot] {
		newest = 0 // it was cut away, with whatever is not live
	}
	return newest, 0, err
}

// takeBatch puts a batch into the frame.
func (c *Core) takeBatch(a *Append, f *flight) {
	b := a.Batch
	timed := c.cfg.ProducerTime || b.Moved
	offset := c.frames.addBatch(a, timed)
	timestamp := f.frame.Time
	if timed {
		timestamp = 0
	}
	for i, key := range b.Keys {
		newest := offset + int64(i) + 1
		c.overlay.keys[key] = inflightNewest{value: uint64(newest), seq: f.frame.Seq}
		f.heads = append(f.heads, Head{Partition: b.Partition, Stream: key, Version: newest})
	}
	count := int32(b.Info.Count)
	result := wire.AppendResult{Code: wire.OK, Timestamp: timestamp, Writes: []wire.WriteResult{{Partition: b.Partition, Count: count, FirstOffset: offset}}}
	if a.Producer != 0 {
		f.writes = append(f.writes, producerWrite{producer: a.Producer, stored: storedBatch(a.Sequence, a.hash, offset, b.Partition, count, f.frame.Time)})
		c.overlay.sequences[producerSequence{a.Producer, a.Sequence}] = inflightAppend{seq: f.frame.Seq, hash: a.hash, result: result}
		c.overlay.producers[a.Producer] = inflightNewest{value: a.Sequence, seq: f.frame.Seq}
	}
	f.attach(a, result)
	c.stats.Appends++
}

func storedBatch(sequence, hash uint64, offset int64, partition, count int32, time int64) stored {
	return stored{sequence: sequence, hash: hash, firstOffset: offset, partition: partition, count: count, timestamp: time}
}

// scanBatches is scan for the batches of producers.
func scanBatches(kind string, f *Frame) (heads []Head, writes []producerWrite, err error) {
	for _, e := range f.Entries {
		next := e.Base
		for rest := e.Batches; len(rest) > 0; {
			batch, after, err := recordbatch.Parse(rest)
			if err != nil {
				return nil, nil, fmt.Errorf("partition %d at offset %d: %w", e.Partition, next, err)
			}
			info := batch.Info()
			if info.BaseOffset != next {
				return nil, nil, fmt.Errorf("partition %d: offset %d where %d is due", e.Partition, info.BaseOffset, next)
			}
			if id := uint64(info.ProducerID); info.BaseSequence > 0 {
				writes = append(writes, producerWrite{producer: id, stored: storedBatch(uint64(info.BaseSequence), hashRecords(batch.Bytes()), next, e.Partition, int32(info.Count), f.Time)})
			}
			if kind == wire.KindTable {
				for r, err := range batch.Records() {
					if err != nil {
						return nil, nil, fmt.Errorf("partition %d at offset %d: %w", e.Partition, next, err)
					}
					heads = append(heads, Head{Partition: e.Partition, Stream: string(r.Key), Version: r.Offset + 1})
				}
			}
			next, rest = info.Next(), after
		}
		if next != e.Base+int64(e.Count) {
			return nil, nil, fmt.Errorf("partition %d: %d records where the frame's header counts %d", e.Partition, next-e.Base, e.Count)
		}
	}
	return heads, writes, nil
}
