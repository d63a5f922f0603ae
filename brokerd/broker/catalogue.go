package broker

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"iter"
	"time"

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
	if !id.Started && id.nodes <= 1 { // of a cluster it was made when the nodes agreed on it
		t.State = topics.Creating
	}
	t.Replicas = max(id.nodes, 1)
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
		Sequence: l.sequence,
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
			return &sequencerError{code: r.Code, detail: r.Detail}
		}
	case <-ctx.Done():
		return ctx.Err()
	}
}

// sequencerError is an answer of the catalogue's sequencer that says nothing about the change.
type sequencerError struct {
	code   wire.Code
	detail string
}

func (e *sequencerError) Error() string {
	return fmt.Sprintf("the catalogue's sequencer answered %s: %s", e.code, e.detail)
}

// Events yields everything that this node has of the catalogue.
func (l *catalogueLog) Events(ctx context.Context) iter.Seq2[topics.Event, error] {
	return l.events(ctx, false)
}

// Live is Events and what comes after them.
func (l *catalogueLog) Live(ctx context.Context) iter.Seq2[topics.Event, error] {
	return l.events(ctx, true)
}

// liveWait is how long one fetch waits for the next event of the catalogue.
const liveWait = 5 * time.Second

func (l *catalogueLog) events(ctx context.Context, live bool) iter.Seq2[topics.Event, error] {
	return func(yield func(topics.Event, error) bool) {
		request := wire.FetchRequest{MaxBytes: wire.FetchBytesMax}
		if live {
			request.MaxWaitMS = int32(liveWait / time.Millisecond)
		}
		for next := int64(0); ; {
			if err := ctx.Err(); err != nil {
				yield(topics.Event{}, err)
				return
			}
			request.Offset = next
			r := l.keeper.current().Fetch(ctx, request, nil, nil)
			if live && r.Code != wire.OK && l.pause(ctx) {
				continue // the shard is opened again
			}
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
			if next >= r.HighWatermark && !live {
				return
			}
		}
	}
}

// pause says false when ctx has ended, or the shard never serves again.
func (l *catalogueLog) pause(ctx context.Context) bool {
	if cause := l.keeper.current().Status().Cause; cause != nil && !errors.Is(cause, shard.ErrCache) {
		return false
	}
	select {
	case <-time.After(reopenBackoffMin):
		return true
	case <-ctx.Done():
		return false
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
	id     uuid.UUID // of the topic that it is kept in
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

// servedMax is how long the creation of a topic waits for its shards to serve, once the topic is there.
const servedMax = 5 * time.Second

func (c catalogue) Create(ctx context.Context, spec wire.TopicSpec) (wire.TopicInfo, error) {
	if err := c.refused(false); err != nil {
		return wire.TopicInfo{}, err
	}
	internal := spec.Name == wire.GroupsTopic
	switch {
	case internal && spec != (wire.TopicSpec{Name: spec.Name}):
		return wire.TopicInfo{}, &topics.InvalidError{Topic: spec.Name, Reason: "the name is the brokers' own, who keep consumer groups there: choose another one"}
	case internal:
		spec = groupsSpec()
	}
	t, err := c.topics.Create(ctx, spec)
	if internal && errors.Is(err, topics.ErrExists) { // whoever asks first makes it
		return c.Describe(ctx, spec.Name, uuid.Nil)
	}
	if err != nil {
		return wire.TopicInfo{}, err
	}
	if c.shards.members != nil {
		waiting, cancel := context.WithTimeout(ctx, servedMax)
		defer cancel()
		// Whoever uses a topic that is not served yet waits, too.
		_ = c.shards.members.served(waiting, t, func() []wire.ShardInfo { return c.shards.info(waiting, t).Shard })
	}
	return c.shards.info(ctx, t), nil
}

func (c catalogue) Alter(ctx context.Context, id uuid.UUID, change wire.TopicChange) (wire.TopicInfo, error) {
	if err := c.refused(true); err != nil {
		return wire.TopicInfo{}, err
	}
	if err := c.internal(id); err != nil {
		return wire.TopicInfo{}, err
	}
	t, err := c.topics.Alter(ctx, id, change)
	return c.shards.info(ctx, t), err
}

func (c catalogue) Describe(ctx context.Context, name string, id uuid.UUID) (wire.TopicInfo, error) {
	t, ok := c.topics.ByName(name)
	if (!ok || id != uuid.Nil && id != t.ID) && c.shards.members != nil {
		// This node may be behind. That there is no such topic, or another one, is an answer to act on, so it has to be true.
		if err := c.current(ctx); err != nil {
			return wire.TopicInfo{}, err
		}
		t, ok = c.topics.ByName(name)
	}
	if !ok {
		return wire.TopicInfo{}, fmt.Errorf("%w: %q", topics.ErrUnknown, name)
	}
	return c.shards.info(ctx, t), nil
}

var errBehind = errors.New("this node does not know all topics yet")

// currentMax is how long a question waits for this node to know all topics.
const currentMax = 2 * time.Second

// current returns when this node knows of all changes of the catalogue that were made before the call.
func (c catalogue) current(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, currentMax)
	defer cancel()
	if !c.shards.members.quorum() { // then what leads here may have been deposed
		return fmt.Errorf("%w: it hears of fewer than half of the others", errBehind)
	}
	of := topics.Topic{ID: c.id, TopicSpec: wire.TopicSpec{Shards: 1}}
	at := c.shards.members.merge(ctx, of, c.shards.local(ctx, c.id))[0]
	if at.State != wire.ShardServing || len(at.Partitions) != 1 {
		return fmt.Errorf("%w: its catalogue is %s %s", errBehind, at.State, at.Detail)
	}
	if err := c.topics.Reach(ctx, at.Partitions[0].HighWatermark); err != nil {
		return fmt.Errorf("%w: %w", errBehind, err)
	}
	return nil
}

func (c catalogue) List(ctx context.Context) ([]wire.TopicInfo, error) {
	var infos []wire.TopicInfo
	for _, t := range c.topics.List() {
		infos = append(infos, c.shards.info(ctx, t))
	}
	return infos, nil
}

func (c catalogue) Nodes(context.Context) []wire.NodeInfo {
	if c.shards.members == nil {
		return []wire.NodeInfo{{Node: c.shards.node, URL: c.shards.engine.ClientURL(), Alive: true, Version: Version()}}
	}
	return c.shards.members.info()
}

func (c catalogue) Delete(ctx context.Context, id uuid.UUID) error {
	if err := c.refused(true); err != nil {
		return err
	}
	if err := c.internal(id); err != nil {
		return err
	}
	return c.topics.Delete(ctx, id)
}

// internal refuses changes of topics that are the brokers' own.
func (c catalogue) internal(id uuid.UUID) error {
	if t, ok := c.topics.ByID(id); ok && t.Name == wire.GroupsTopic {
		return &topics.InvalidError{Topic: t.Name, Reason: "consumer groups are kept in it: delete groups instead"}
	}
	return nil
}

func (c catalogue) Code(err error) wire.Code {
	code := codeOfChange(err)
	if errors.Is(err, topics.ErrUnfinished) {
		switch code {
		case wire.NotLeader, wire.Retry, wire.Overloaded, wire.NotEnoughSync: // of its second step: the first one is stored, and another node may finish it
			return wire.Unknown
		}
	}
	return code
}

func codeOfChange(err error) wire.Code {
	if answered, ok := errors.AsType[*sequencerError](err); ok {
		switch answered.code {
		case wire.NotLeader, wire.Retry, wire.Unknown, wire.Overloaded, wire.NotEnoughSync, wire.NoStorage:
			return answered.code // as while a log is fenced: the client asks again
		}
	}
	switch {
	case errors.Is(err, errFull):
		return wire.NoStorage
	case errors.Is(err, topics.ErrExists):
		return wire.TopicExists
	case errors.Is(err, topics.ErrUnknown):
		return wire.UnknownTopic
	case errors.Is(err, topics.ErrInvalid):
		return wire.Invalid
	case errors.Is(err, errBehind), errors.Is(err, topics.ErrConflict), errors.Is(err, engine.ErrElecting), errors.Is(err, engine.ErrPeers):
		return wire.Retry
	case errors.Is(err, context.Canceled): // the node is stopping: another one may finish it
		return wire.Unknown
	}
	return wire.Internal
}
