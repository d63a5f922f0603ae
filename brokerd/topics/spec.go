package topics

import (
	"errors"
	"fmt"

	"github.com/strandlog/strand/internal/wire"
)

// The identities of refusals.
var (
	ErrExists  = errors.New("topic exists")
	ErrUnknown = errors.New("unknown topic")
	ErrInvalid = errors.New("invalid topic")
)

// InvalidError says what is wrong with a topic as it is to be. It is an ErrInvalid.
type InvalidError struct{ Topic, Reason string }

func (e *InvalidError) Error() string { return fmt.Sprintf("topic %q: %s", e.Topic, e.Reason) }

// Is makes errors.Is(err, ErrInvalid) true.
func (e *InvalidError) Is(target error) bool { return target == ErrInvalid }

// PartitionsDefault is the number of partitions of a topic that does not say.
const PartitionsDefault = 8

// replicasDefault outlives the loss of one node. In a cluster there are at least as many.
const replicasDefault = 3

// complete fills in the defaults and checks the rest.
func complete(s wire.TopicSpec, cfg Config) (wire.TopicSpec, error) {
	if s.Kind == "" {
		s.Kind = wire.KindVersioned
	}
	if s.Partitions == 0 {
		s.Partitions = PartitionsDefault
	}
	if s.Shards == 0 {
		s.Shards = min(cfg.Shards, s.Partitions)
	}
	if s.Replicas == 0 {
		s.Replicas = min(replicasDefault, cfg.Nodes)
	}
	if s.MinInSync == 0 {
		s.MinInSync = 1 // the engine itself needs more than half of them
	}
	refuse := func(format string, args ...any) (wire.TopicSpec, error) {
		return s, &InvalidError{Topic: s.Name, Reason: fmt.Sprintf(format, args...)}
	}
	switch {
	case s.Name == "":
		return refuse("a topic needs a name")
	case len(s.Name) > wire.TopicBytesMax:
		return refuse("the name has %d bytes, at most %d are allowed", len(s.Name), wire.TopicBytesMax)
	case !validName(s.Name):
		return refuse("a name consists of letters, digits, '.', '_' and '-' and begins with a letter or a digit")
	case s.Kind != wire.KindVersioned && s.Kind != wire.KindPlain && s.Kind != wire.KindTable:
		return refuse("kind %q is not one that this brokerd keeps: use %q, %q or %q", s.Kind, wire.KindVersioned, wire.KindPlain, wire.KindTable)
	case s.Retention.AgeMS < 0 || s.Retention.Bytes < 0:
		return refuse("a retention of %d ms and %d bytes: neither can be negative", s.Retention.AgeMS, s.Retention.Bytes)
	case s.Kind != wire.KindPlain && (s.Retention != wire.Retention{} || s.ProducerTime):
		return refuse("only plain topics have a retention and keep the producer's time, this one is %s", s.Kind)
	case s.Partitions < 1 || s.Partitions > wire.PartitionsMax:
		return refuse("%d partitions: 1 to %d are possible", s.Partitions, wire.PartitionsMax)
	case s.Replicas != 1 && s.Replicas != 3 && s.Replicas != 5:
		return refuse("%d replicas: there can be 1, 3 or 5", s.Replicas)
	case s.Replicas > cfg.Nodes:
		return refuse("%d replicas: there are only %d nodes", s.Replicas, cfg.Nodes)
	case s.MinInSync < 1 || s.MinInSync > s.Replicas:
		return refuse("at least %d replicas in sync: there can be 1 to as many as there are (%d)", s.MinInSync, s.Replicas)
	case s.Shards < 1 || s.Shards > s.Partitions:
		return refuse("%d shards: there can be 1 to as many as partitions (%d)", s.Shards, s.Partitions)
	}
	return s, nil
}

// changed lays a change over what a topic is.
func changed(s wire.TopicSpec, c wire.TopicChange) wire.TopicSpec {
	if c.RetentionAgeMS != nil {
		s.Retention.AgeMS = *c.RetentionAgeMS
	}
	if c.RetentionBytes != nil {
		s.Retention.Bytes = *c.RetentionBytes
	}
	return s
}

func validName(name string) bool {
	for i, r := range []byte(name) {
		switch {
		case 'a' <= r && r <= 'z', 'A' <= r && r <= 'Z', '0' <= r && r <= '9':
		case i > 0 && (r == '.' || r == '_' || r == '-'):
		default:
			return false
		}
	}
	return name != ""
}
