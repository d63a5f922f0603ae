package shard

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/google/uuid"
	"github.com/strandlog/strand/internal/recordbatch"
	"github.com/strandlog/strand/internal/wire"
)

var errNoVersion = errors.New("record without a version")

func versionOf(h recordbatch.Headers) (int64, error) {
	v, ok := h.Get(wire.HeaderVersion)
	if !ok || len(v) != 8 {
		return 0, errNoVersion
	}
	return int64(binary.BigEndian.Uint64(v)), nil
}

// Head is the version of a stream. While no head was evicted, a stream that the table does not hold has not changed since the store was
// opened, so the index alone answers; afterwards what is still on its way to the index counts too.
func (s *store) Head(partition int32, stream []byte) (int64, error) {
	name := string(stream)
	if v, ok := s.heads.Get(partition, name); ok {
		return v, nil
	}
	v, err := s.head(partition, name)
	if err != nil {
		return 0, s.unusable(err)
	}
	if v > 0 {
		s.heads.Put(partition, name, v)
	}
	return v, nil
}

func (s *store) head(partition int32, stream string) (int64, error) {
	if s.heads.Evicted() {
		if err := s.settle(partition); err != nil {
			return 0, err
		}
		return s.newest(partition, stream)
	}
	v, err := s.db.Head(partition, stream)
	if err != nil {
		return 0, fmt.Errorf("looking up stream %q: %w", stream, err)
	}
	return v, nil
}

// settle waits until the writer has placed what was applied. Only for the core's goroutine; the writer never waits for it.
func (s *store) settle(partition int32) error {
	slot, _ := s.layout.Slot(partition)
	//nolint:forbidigo // The wait ends with the writer's work or its failure; there is no caller to cancel it.
	_, err := s.reach(context.Background(), slot, 0)
	return err
}

// Command finds the events that a stream holds under a command id.
func (s *store) Command(partition int32, stream, id []byte) (Written, bool, error) {
	if err := s.settle(partition); err != nil {
		return Written{}, false, err
	}
	w, ok, err := s.command(partition, string(stream), string(id))
	return w, ok, s.unusable(err)
}

func (s *store) command(partition int32, stream, id string) (Written, bool, error) {
	var first int64
	var count int
	var ok bool
	for _, t := range s.tails() {
		if first, count, ok = t.Command(partition, stream, id); ok {
			break
		}
	}
	if !ok {
		var err error
		if first, count, ok, err = s.db.Command(partition, stream, id); err != nil || !ok {
			return Written{}, false, err
		}
	}
	w := Written{FirstVersion: first, Count: count}
	err := s.pointers(partition, stream, first, func(_ int64, p pointer) bool {
		w.FirstOffset, w.Timestamp = p.Offset, p.Timestamp
		return false
	})
	if err != nil {
		return Written{}, false, err
	}
	return w, true, nil
}

// Events are up to n events of a stream from a version on.
func (s *store) Events(partition int32, stream []byte, from int64, n int) ([]StoredEvent, error) {
	if err := s.settle(partition); err != nil {
		return nil, err
	}
	events := make([]StoredEvent, 0, n)
	err := s.records(partition, string(stream), from, func(r wire.StreamRecord) (bool, error) {
		_, _, h, _, err := recordbatch.DecodeRecord(r.Raw)
		if err != nil {
			return false, err
		}
		id, ok := h.Get(wire.HeaderID)
		if !ok || len(id) != len(uuid.UUID{}) {
			return false, fmt.Errorf("version %d of stream %q has no event id", r.Version, stream)
		}
		events = append(events, StoredEvent{ID: uuid.UUID(id), Offset: r.Offset, Timestamp: r.Timestamp})
		return len(events) < n, nil
	})
	return events, s.unusable(err)
}
