package broker

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"iter"

	"github.com/google/uuid"
	"github.com/strandlog/strand/brokerd/engine"
	"github.com/strandlog/strand/brokerd/shard"
	"github.com/strandlog/strand/brokerd/topics"
	"github.com/strandlog/strand/internal/recordbatch"
	"github.com/strandlog/strand/internal/wire"
)

// catalogueLog is the internal versioned topic that the catalogue is kept in: one partition, written through its sequencer like any other.
type catalogueLog struct {
	keeper   *keeper
	producer uint64
	sequence uint64 // changes of the catalogue come one at a time
}

// catalogueTopic is the topic that the catalogue of a node is kept in.
func catalogueTopic(id identity) topics.Topic {
	t := topics.Topic{
		TopicSpec: wire.TopicSpec{Name: "catalogue", Kind: wire.KindVersioned, Partitions: 1, Shards: 1},
		ID:        id.CatalogueID, LogID: id.CatalogueLogID, State: topics.Ready,
	}
	if !id.Started {
		t.State = topics.Creating
	}
	return t
}

func openCatalogueLog(ctx context.Context, s *shards, id identity) (*catalogueLog, error) {
	t := catalogueTopic(id)
	if err := s.Start(ctx, t); err != nil {
		return nil, err
	}
	k := s.of(t.ID)[0]
	k.topic = catalogueName
	if st := k.current().Status(); st.Cause != nil && !errors.Is(st.Cause, shard.ErrCache) {
		return nil, st.Cause
	}
	random := uuid.New()
	return &catalogueLog{keeper: k, producer: binary.BigEndian.Uint64(random[:]) | 1}, nil
}

// Append adds one event to a stream of the catalogue.
func (l *catalogueLog) Append(ctx context.Context, stream string, expected int64, typ string, data []byte) error {
	id, err := uuid.NewV7()
	if err != nil {
		return fmt.Errorf("drawing an event id: %w", err)
	}
	l.sequence++
	answer := make(chan wire.AppendResult, 1)
	l.keeper.current().Append(0, l.producer, 0, []wire.Append{{
		Sequence: l.sequence, Attempt: 1,
		Writes: []wire.Write{{Expected: wire.Expected(expected), Stream: []byte(stream), Events: []wire.Event{{
			ID: id, HeaderCount: 1, Headers: recordbatch.AppendHeader(nil, wire.HeaderType, []byte(typ)), Value: data,
		}}}},
	}}, len(data), func(r []wire.AppendResult) { answer <- r[0] })
	select {
	case r := <-answer:
		switch r.Code {
		case wire.OK:
			return nil
		case wire.Conflict:
			return fmt.Errorf("%w: it is at version %d, expected %d", topics.ErrConflict, r.Actual, expected)
		default:
			return fmt.Errorf("the catalogue's sequencer answered %s: %s", r.Code, r.Detail)
		}
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Events yields everything that the catalogue holds.
func (l *catalogueLog) Events(ctx context.Context) iter.Seq2[topics.Event, error] {
	return func(yield func(topics.Event, error) bool) {
		for next := int64(0); ; {
			r := l.keeper.current().Fetch(ctx, wire.FetchRequest{Offset: next, MaxBytes: wire.FetchBytesMax}, nil, nil)
			if r.Code != wire.OK {
				yield(topics.Event{}, fmt.Errorf("the catalogue's shard answered %s: %s", r.Code, r.Detail))
				return
			}
			for rest := r.Batches; len(rest) > 0; {
				batch, after, err := recordbatch.Parse(rest)
				if err != nil {
					yield(topics.Event{}, err)
					return
				}
				rest = after
				for rec, err := range batch.Records() {
					if err != nil {
						yield(topics.Event{}, err)
						return
					}
					if rec.Offset < next {
						continue
					}
					next = rec.Offset + 1
					if !yield(catalogueEvent(rec), nil) {
						return
					}
				}
			}
			if next >= r.HighWatermark {
				return
			}
		}
	}
}

func catalogueEvent(r recordbatch.Record) topics.Event {
	e := topics.Event{Stream: string(r.Key), Data: r.Value}
	if v, ok := r.Headers.Get(wire.HeaderVersion); ok && len(v) == 8 {
		e.Version = int64(binary.BigEndian.Uint64(v))
	}
	if t, ok := r.Headers.Get(wire.HeaderType); ok {
		e.Type = string(t)
	}
	return e
}

// catalogue is the catalogue as clients see it.
type catalogue struct {
	topics *topics.Catalogue
	shards *shards
}

// errFull refuses a change while the node cannot store.
var errFull = errors.New("the node cannot store")

// refused says why a change is not even tried: nil while the node stores. The catalogue's own shard is always open, because what frees asks for little
// room: topics are deleted, and keep less, while the disk is full. When it fails nothing is.
func (c catalogue) refused(frees bool) error {
	reason := c.shards.admission.Refused()
	if reason == nil || frees && errors.Is(reason, engine.ErrSpace) {
		return nil
	}
	return fmt.Errorf("%w: %w", errFull, reason)
}

func (c catalogue) Create(ctx context.Context, spec wire.TopicSpec) (wire.TopicInfo, error) {
	if err := c.refused(false); err != nil {
		return wire.TopicInfo{}, err
	}
	t, err := c.topics.Create(ctx, spec)
	return c.shards.info(t), err
}

func (c catalogue) Describe(_ context.Context, name string) (wire.TopicInfo, error) {
	t, ok := c.topics.ByName(name)
	if !ok {
		return wire.TopicInfo{}, fmt.Errorf("%w: %q", topics.ErrUnknown, name)
	}
	return c.shards.info(t), nil
}

func (c catalogue) List(context.Context) ([]wire.TopicInfo, error) {
	var infos []wire.TopicInfo
	for _, t := range c.topics.List() {
		infos = append(infos, c.shards.info(t))
	}
	return infos, nil
}

func (c catalogue) Alter(ctx context.Context, id uuid.UUID, change wire.TopicChange) (wire.TopicInfo, error) {
	if err := c.refused(true); err != nil {
		return wire.TopicInfo{}, err
	}
	t, err := c.topics.Alter(ctx, id, change)
	return c.shards.info(t), err
}

func (c catalogue) Delete(ctx context.Context, id uuid.UUID) error {
	if err := c.refused(true); err != nil {
		return err
	}
	return c.topics.Delete(ctx, id)
}

func (c catalogue) Code(err error) wire.Code {
	switch {
	case errors.Is(err, errFull):
		return wire.NoStorage
	case errors.Is(err, topics.ErrExists):
		return wire.TopicExists
	case errors.Is(err, topics.ErrUnknown):
		return wire.UnknownTopic
	case errors.Is(err, topics.ErrInvalid):
		return wire.Invalid
	}
	return wire.Internal
}
