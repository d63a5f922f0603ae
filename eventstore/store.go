package eventstore

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"reflect"

	"github.com/strandlog/strand/commitlog"
)

// Config says which topic a store lies on. The zero value is the topic "events", created if it is missing.
type Config struct {
	Topic        string // default "events"
	NoCreate     bool   // a missing topic is an error
	Partitions   int    // of a topic that is created; default the broker's
	Shards       int    // of a topic that is created; default the broker's
	UnknownTypes UnknownTypes
	Observer     Observer // is told of appends and reads of single streams; nil: nobody
}

// UnknownTypes says what to do with an event whose category the store was given but whose type it was not.
type UnknownTypes int

// Fail ends the read with ErrUnknownType: nothing is missed by accident. Skip passes over the event.
const (
	Fail UnknownTypes = iota
	Skip
)

// Store is event streams on one topic. It is safe for concurrent use.
type Store struct {
	log      Log
	topic    commitlog.Topic
	cfg      Config
	registry *registry
}

// Open opens the store of a topic for the events that the schemas describe. Streams of other categories are left alone.
// Errors: ErrSchema, ErrUnknownTopic, ErrInvalidName, ErrInvalid.
func Open(ctx context.Context, log Log, cfg Config, schemas ...Schema) (*Store, error) {
	if cfg.Topic == "" {
		cfg.Topic = "events"
	}
	registry, err := newRegistry(schemas)
	if err != nil {
		return nil, err
	}
	topic, err := log.Topic(ctx, cfg.Topic)
	if errors.Is(err, ErrUnknownTopic) && !cfg.NoCreate {
		topic, err = log.CreateTopic(ctx, commitlog.TopicConfig{Name: cfg.Topic, Kind: commitlog.Versioned, Partitions: cfg.Partitions, Shards: cfg.Shards})
		if errors.Is(err, commitlog.ErrTopicExists) { // another process was first
			topic, err = log.Topic(ctx, cfg.Topic)
		}
	}
	if err != nil {
		return nil, fmt.Errorf("opening the store on topic %q: %w", cfg.Topic, err)
	}
	if topic.Kind != commitlog.Versioned {
		return nil, &commitlog.InvalidError{Reason: fmt.Sprintf("topic %q is of kind %q: event streams need one of kind %q", cfg.Topic, topic.Kind, commitlog.Versioned)}
	}
	return &Store{log: log, topic: topic, cfg: cfg, registry: registry}, nil
}

// Topic describes the store's topic as it is now. A topic that was deleted and created again since Open is ErrUnreachable.
func (s *Store) Topic(ctx context.Context) (commitlog.Topic, error) {
	t, err := s.log.Topic(ctx, s.topic.Name)
	if err != nil {
		return t, err
	}
	if why := foreign(s.topic.Name, s.topic.ID, s.topic.LogID, t); why != "" {
		return t, &UnreachableError{At: "the store", Here: t.Name, Why: why}
	}
	return t, nil
}

// End is the cursor behind everything that the topic holds now.
func (s *Store) End(ctx context.Context) (Cursor, error) {
	t, err := s.Topic(ctx)
	if err != nil {
		return Cursor{}, err
	}
	next := make([]int64, len(t.Partitions))
	for i, p := range t.Partitions {
		next[i] = p.End
	}
	return cursorAt(t, next), nil
}

// Names lists the events that can be appended: Go type to name on the log.
func (s *Store) Names() map[reflect.Type]string { return maps.Clone(s.registry.names) }

// positionOf is the place of a record.
func (s *Store) positionOf(partition int32, offset int64, epoch uint64) Position {
	return Position{Topic: s.topic.Name, TopicID: s.topic.ID, LogID: s.topic.LogID, Partition: partition, Offset: offset, Epoch: epoch}
}
