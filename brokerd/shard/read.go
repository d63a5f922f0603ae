package shard

import (
	"context"
	"errors"
	"fmt"
	"hash/crc32"
	"slices"
	"time"

	"github.com/strandlog/strand/brokerd/index"
	"github.com/strandlog/strand/brokerd/segment"
	"github.com/strandlog/strand/internal/wire"
)

type pointer = index.Pointer

// pointers yields where the events of a stream lie, by ascending version from a version on, without a gap.
func (s *store) pointers(partition int32, stream string, from int64, fn func(version int64, p pointer) bool) error {
	tails := s.tails()
	next, more := from, true
	var gap error
	visit := func(version int64, p pointer) bool {
		if version < next {
			return true // left a tail for the index while it was read
		}
		if version > next {
			gap = fmt.Errorf("%w: stream %q: version %d stands where %d is due", index.ErrDamaged, stream, version, next)
			return false
		}
		next++
		more = fn(version, p)
		return more
	}
	if err := s.db.Stream(partition, stream, from, visit); err != nil {
		return fmt.Errorf("reading the index of stream %q: %w", stream, err)
	}
	for _, t := range tails {
		if !more || gap != nil {
			break
		}
		t.Stream(partition, stream, next, visit)
	}
	return gap
}

// readAheadBytes is how far apart the records of one pread may lie.
const readAheadBytes = 32 << 10

// records yields the stored records of a stream. Records that lie close together are read at once.
func (s *store) records(partition int32, stream string, from int64, fn func(wire.StreamRecord) (bool, error)) error {
	slot, _ := s.layout.Slot(partition)
	type found struct {
		version int64
		pointer
	}
	var near []found
	more := true
	flush := func() error {
		if len(near) == 0 {
			return nil
		}
		first, last := near[0].Place, near[len(near)-1]
		wanted := 0
		for _, f := range near {
			wanted += int(f.Len)
		}
		buf := make([]byte, last.Place.Pos+int64(last.Len)-first.Pos)
		if err := s.segments[slot].ReadAt(first, buf); err != nil {
			return fmt.Errorf("reading stream %q: %w", stream, err)
		}
		for _, f := range near {
			at := f.Place.Pos - first.Pos
			raw := buf[at : at+int64(f.Len) : at+int64(f.Len)]
			if 2*wanted < len(buf) { // a view would keep the gaps alive as well
				raw = slices.Clone(raw)
			}
			if crc32.Checksum(raw, castagnoli) != f.Sum {
				return fmt.Errorf("%w: version %d of stream %q (partition %d, offset %d) does not match its checksum in the segment", ErrCorrupt, f.version, stream, partition, f.Offset)
			}
			var err error
			if more, err = fn(wire.StreamRecord{Version: f.version, Offset: f.Offset, Timestamp: f.Timestamp, Raw: raw}); err != nil || !more {
				return err
			}
		}
		near = near[:0]
		return nil
	}
	var failed error
	err := s.pointers(partition, stream, from, func(version int64, p pointer) bool {
		if len(near) > 0 {
			first := near[0].Place
			if p.Place.File != first.File || p.Place.Pos+int64(p.Len)-first.Pos > readAheadBytes {
				if failed = flush(); failed != nil || !more {
					return false
				}
			}
		}
		near = append(near, found{version, p})
		return true
	})
	if err = errors.Join(err, failed); err != nil || !more {
		return err
	}
	return flush()
}

// fetchWaitMax bounds how long a fetch waits, whatever it asks for: its client may be gone.
const fetchWaitMax = 30 * time.Second

// Room is asked for the bytes that a read is about to take, and waits until there are so many. So all reads of a node together take bounded memory,
// those that wait for records take none, and nobody is refused. Whoever gave it takes the bytes back once the answer is sent, or when the read asks again:
// by then it has let go of what it took. nil: there is room.
type Room = func(ctx context.Context, bytes int) error

func take(ctx context.Context, room Room, bytes int) error {
	if room == nil {
		return nil
	}
	return room(ctx, bytes)
}

// behind is the refusal of a read by somebody who has seen more.
func behind(end, seen int64) (wire.Code, string) {
	return wire.Stale, fmt.Sprintf("the partition ends at offset %d here, and its reader has seen it end at %d", end, seen)
}

// Fetch answers with stored batches of a partition, read into the memory that scratch points to, which it may replace (nil: new memory). It waits up to
// the request's bound for the first record beyond the end.
func (s *Shard) Fetch(ctx context.Context, req wire.FetchRequest, room Room, scratch *[]byte) wire.FetchResponse {
	slot, ok := s.cfg.Layout.Slot(req.Partition)
	if !ok {
		return wire.FetchResponse{Code: wire.Invalid, Detail: fmt.Sprintf("partition %d is not served by this shard", req.Partition)}
	}
	if code, detail := s.refusal(req.MinEpoch); code != wire.OK {
		return wire.FetchResponse{Code: code, Detail: detail}
	}
	at, err := s.store.reach(ctx, slot, 0)
	if err != nil {
		return fetchFailed(s.store.noted(err))
	}
	r := wire.FetchResponse{Epoch: at.Epoch, Start: at.Starts[slot], HighWatermark: at.Next[slot]}
	switch {
	case at.Next[slot] < req.MinOffset:
		r.Code, r.Detail = behind(at.Next[slot], req.MinOffset)
		return r
	case req.Offset < r.Start || req.Offset > at.Next[slot]:
		r.Code = wire.OffsetRange
		return r
	}
	if req.Offset == at.Next[slot] && req.MaxWaitMS > 0 {
		wait, cancel := context.WithTimeout(ctx, min(time.Duration(req.MaxWaitMS)*time.Millisecond, fetchWaitMax))
		later, err := s.store.reach(wait, slot, req.Offset+1)
		cancel()
		if err != nil && wait.Err() == nil {
			return fetchFailed(s.store.noted(err))
		}
		if err == nil {
			at = later
		}
		r.Epoch, r.Start, r.HighWatermark = at.Epoch, at.Starts[slot], at.Next[slot]
		if req.Offset < r.Start { // what it waited for came and was deleted
			r.Code = wire.OffsetRange
			return r
		}
	}
	bytes := int(min(max(req.MaxBytes, 1), wire.FetchBytesMax))
	if err := take(ctx, room, bytes); err != nil {
		return fetchFailed(err)
	}
	if scratch == nil {
		scratch = new([]byte)
	}
	r.Batches, err = s.store.segments[slot].ReadInto(scratch, req.Offset, bytes)
	if errors.Is(err, segment.ErrOffsetRange) { // trimmed in between
		st := s.store.appliedState() // it was trimmed behind what is applied; the segments may begin before the partition does
		r.Code, r.Epoch, r.Start, r.HighWatermark = wire.OffsetRange, st.Epoch, st.Starts[slot], st.Next[slot]
		return r
	}
	if err != nil {
		return fetchFailed(s.store.noted(err))
	}
	return r
}

// Stream answers with the records of a stream from a version on, as many as fit.
func (s *Shard) Stream(ctx context.Context, req wire.StreamRequest, room Room) wire.StreamResponse {
	slot, ok := s.cfg.Layout.Slot(req.Partition)
	if !ok {
		return wire.StreamResponse{Code: wire.Invalid, Detail: fmt.Sprintf("partition %d is not served by this shard", req.Partition)}
	}
	if code, detail := s.refusal(req.MinEpoch); code != wire.OK {
		return wire.StreamResponse{Code: code, Detail: detail}
	}
	if req.Strict {
		if r := s.confirm(ctx); r.Code != wire.OK {
			return wire.StreamResponse{Code: r.Code, Detail: r.Detail}
		}
	}
	if err := take(ctx, room, int(min(max(req.MaxBytes, 1), wire.FetchBytesMax))); err != nil {
		return streamFailed(err)
	}
	at, err := s.store.reach(ctx, slot, 0)
	if err != nil {
		return streamFailed(s.store.noted(err))
	}
	r := wire.StreamResponse{Epoch: at.Epoch}
	if at.Next[slot] < req.MinOffset {
		r.Code, r.Detail = behind(at.Next[slot], req.MinOffset)
		return r
	}
	if err := s.collect(req, at.Next[slot], &r); err != nil {
		return streamFailed(s.store.noted(err))
	}
	return r
}

// collect fills a stream answer with what was committed below an offset.
func (s *Shard) collect(req wire.StreamRequest, end int64, r *wire.StreamResponse) error {
	stream := string(req.Stream)
	from, count := max(req.From, 1), -1
	if len(req.CommandID) > 0 {
		w, ok, err := s.store.command(req.Partition, stream, string(req.CommandID))
		if err != nil {
			return err
		}
		if !ok {
			return nil
		}
		last := w.FirstVersion + int64(w.Count) - 1
		r.Head = last
		from = max(from, w.FirstVersion)
		count = int(max(last-from+1, 0))
	}
	complete := true // whether the last record seen is the stream's newest
	if count != 0 {
		left := int(min(max(req.MaxBytes, 1), wire.FetchBytesMax))
		err := s.store.records(req.Partition, stream, from, func(rec wire.StreamRecord) (bool, error) {
			if rec.Offset >= end {
				return false, nil
			}
			if len(r.Records) > 0 && left < len(rec.Raw) || count > 0 && len(r.Records) == count {
				complete = false
				return false, nil
			}
			left -= len(rec.Raw)
			r.Records = append(r.Records, rec)
			return true, nil
		})
		if err != nil {
			return err
		}
	}
	if len(req.CommandID) > 0 {
		return nil
	}
	if complete && len(r.Records) > 0 {
		r.Head = r.Records[len(r.Records)-1].Version
		return nil
	}
	var err error
	r.Head, err = s.store.newest(req.Partition, stream)
	return err
}

// newest is the version of a stream as the index and its tails know it; for readers, which do not share the core's heads table.
func (s *store) newest(partition int32, stream string) (int64, error) {
	for _, t := range slices.Backward(s.tails()) {
		if v := t.Head(partition, stream); v > 0 {
			return v, nil
		}
	}
	v, err := s.db.Head(partition, stream)
	if err != nil {
		return 0, fmt.Errorf("looking up stream %q: %w", stream, err)
	}
	return v, nil
}

func fetchFailed(err error) wire.FetchResponse {
	return wire.FetchResponse{Code: codeOf(err), Detail: err.Error()}
}

func streamFailed(err error) wire.StreamResponse {
	return wire.StreamResponse{Code: codeOf(err), Detail: err.Error()}
}

func codeOf(err error) wire.Code {
	switch {
	case errors.Is(err, ErrDiverged):
		return wire.LogDiverged
	case errors.Is(err, ErrCache):
		return wire.NotLeader // until it was opened again
	case errors.Is(err, ErrCorrupt), errors.Is(err, segment.ErrCorrupt):
		return wire.Corrupt
	case errors.Is(err, ErrClosed), errors.Is(err, segment.ErrClosed), errors.Is(err, index.ErrClosed), errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return wire.NotLeader // the shard is closing
	}
	return wire.Internal
}
