package shard

import (
	"context"
	"errors"
	"fmt"

	"github.com/strandlog/strand/internal/recordbatch"
	"github.com/strandlog/strand/internal/wire"
)

// Produce hands in batches of one producer, in their order. done is called once, with one result for each, from the sequencer's goroutine or
// from this one: it must not block. The batches must not change until then. session and bytes are those of [Shard.Append].
func (s *Shard) Produce(session, producer uint64, batches []wire.ProduceBatch, bytes int, done func([]wire.ProduceResult)) {
	results := make([]wire.ProduceResult, len(batches))
	admitted := make([]Append, 0, len(batches))
	places := make([]int, 0, len(batches)) // of those admitted, in results
	for i := range batches {
		b, err := s.admit(producer, &batches[i])
		if err != nil {
			results[i] = wire.ProduceResult{Code: wire.Invalid, Detail: err.Error()}
			continue
		}
		a := Append{Batch: b, Producer: producer, Session: session}
		a.Sequence, a.Since = uint64(b.Info.BaseSequence), batches[i].Since
		bytes += len(b.Keys) * keyBytes
		admitted, places = append(admitted, a), append(places, i)
	}
	if len(admitted) == 0 {
		done(results)
		return
	}
	s.enqueue(admitted, bytes, func(answers []wire.AppendResult) {
		for i, r := range answers {
			results[places[i]] = s.produced(r)
		}
		done(results)
	})
}

// keyBytes is what a key of a batch takes at least while it waits: of records that are compressed well that is far more than the batch itself.
const keyBytes = 32

func (s *Shard) admit(producer uint64, p *wire.ProduceBatch) (*Batch, error) {
	if s.cfg.Kind == wire.KindVersioned {
		return nil, fmt.Errorf("the topic is a versioned one: append events to its streams, only plain and table topics take record batches")
	}
	return newBatch(s.cfg.Kind, s.cfg.Layout, producer, p)
}

func (s *Shard) produced(r wire.AppendResult) wire.ProduceResult {
	if r.Code != wire.OK {
		return wire.ProduceResult{Code: r.Code, Detail: r.Detail}
	}
	p := wire.ProduceResult{Duplicate: r.Duplicate, BaseOffset: r.Writes[0].FirstOffset, Timestamp: r.Timestamp}
	if s.cfg.ProducerTime {
		p.Timestamp = 0
	}
	return p
}

// Get answers with the latest record of a key of a table topic.
func (s *Shard) Get(ctx context.Context, req wire.GetRequest, room Room) wire.GetResponse {
	slot, ok := s.cfg.Layout.Slot(req.Partition)
	switch {
	case !ok:
		return wire.GetResponse{Code: wire.Invalid, Detail: fmt.Sprintf("partition %d is not served by this shard", req.Partition)}
	case s.cfg.Kind != wire.KindTable:
		return wire.GetResponse{Code: wire.Invalid, Detail: fmt.Sprintf("the topic is a %s one: only table topics have a latest record for each key", s.cfg.Kind)}
	case len(req.Key) == 0:
		return wire.GetResponse{Code: wire.Invalid, Detail: "a key is missing"}
	}
	if code, detail := s.refusal(req.MinEpoch); code != wire.OK {
		return wire.GetResponse{Code: code, Detail: detail}
	}
	if req.Strict {
		if r := s.confirm(ctx); r.Code != wire.OK {
			return wire.GetResponse{Code: r.Code, Detail: r.Detail}
		}
	}
	failed := func(err error) wire.GetResponse {
		err = s.store.noted(err)
		return wire.GetResponse{Code: codeOf(err), Detail: err.Error()}
	}
	for {
		at, err := s.store.reach(ctx, slot, 0)
		if err != nil {
			return failed(err)
		}
		r := wire.GetResponse{Epoch: at.Epoch}
		if at.Next[slot] < req.MinOffset {
			r.Code, r.Detail = behind(at.Next[slot], req.MinOffset)
			return r
		}
		newest, err := s.store.newest(req.Partition, string(req.Key))
		if err != nil {
			return failed(err)
		}
		if newest == 0 || newest <= at.Starts[slot] {
			return r
		}
		r.Newest = newest
		record, err := s.store.recordAt(ctx, slot, newest-1, room)
		if err != nil && ctx.Err() == nil && s.movedOn(slot, newest) {
			continue // the cleaner has taken it elsewhere in between
		}
		if err != nil {
			return failed(err)
		}
		if record.Value != nil {
			r.Offset, r.Timestamp = record.Offset, record.Timestamp
			r.Record = recordbatch.AppendRecord(nil, record)
		}
		return r
	}
}

// movedOn says whether an offset was cut away.
func (s *Shard) movedOn(slot int, newest int64) bool {
	return newest <= s.store.segments[slot].Start()
}

var errNotInBatch = errors.New("the batch at its place does not hold it")

// recordAt reads one record of a partition. It takes its whole batch, and what that is inflated to: by the header it is known how much, before it is taken.
func (s *store) recordAt(ctx context.Context, slot int, offset int64, room Room) (recordbatch.Record, error) {
	info, at, err := s.segments[slot].Header(offset)
	if err != nil {
		return recordbatch.Record{}, err
	}
	if err := take(ctx, room, info.Length+info.RecordsBytesMax()); err != nil {
		return recordbatch.Record{}, err
	}
	raw := make([]byte, info.Length)
	if err := s.segments[slot].ReadAt(at, raw); err != nil {
		return recordbatch.Record{}, err
	}
	corrupt := func(err error) error {
		return fmt.Errorf("%w: partition %d at offset %d: %w", ErrCorrupt, s.layout.Partition(slot), offset, err)
	}
	batch, _, err := recordbatch.Parse(raw)
	if err != nil {
		return recordbatch.Record{}, corrupt(err)
	}
	for r, err := range batch.Records() {
		if err != nil {
			return recordbatch.Record{}, corrupt(err)
		}
		if r.Offset == offset {
			return r, nil
		}
	}
	return recordbatch.Record{}, corrupt(errNotInBatch)
}

// DeleteBefore moves the start of a partition of a plain or table topic forward. It answers when the new start is in the log; the disk space follows.
func (s *Shard) DeleteBefore(ctx context.Context, req wire.DeleteBeforeRequest) wire.DeleteBeforeResponse {
	slot, ok := s.cfg.Layout.Slot(req.Partition)
	switch {
	case !ok:
		return wire.DeleteBeforeResponse{Code: wire.Invalid, Detail: fmt.Sprintf("partition %d is not served by this shard", req.Partition)}
	case s.cfg.Kind == wire.KindVersioned:
		return wire.DeleteBeforeResponse{Code: wire.Invalid, Detail: "the topic is a versioned one: its events are never deleted"}
	}
	if code, detail := s.refusal(0); code != wire.OK {
		return wire.DeleteBeforeResponse{Code: code, Detail: detail}
	}
	if st := s.Status(); req.Offset <= st.Starts[slot] { // for good: a start never moves back. A snapshot, of up to some MiB, would say nothing new
		return wire.DeleteBeforeResponse{Epoch: st.Epoch, Start: st.Starts[slot], HighWatermark: st.Next[slot]}
	}
	starts := make([]int64, s.cfg.Layout.Len())
	starts[slot] = req.Offset
	r := s.wait(ctx, Append{Starts: starts})
	answer := wire.DeleteBeforeResponse{Code: r.Code, Detail: r.Detail}
	if r.Code != wire.OK && r.Code != wire.OffsetRange {
		return answer
	}
	st := s.Status()
	answer.Epoch, answer.Start, answer.HighWatermark = st.Epoch, st.Starts[slot], st.Next[slot]
	s.retention.nudge()
	return answer
}
