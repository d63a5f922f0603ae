package eventstore

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/google/uuid"
	"github.com/strandlog/strand/commitlog"
	"github.com/strandlog/strand/internal/wire"
)

// Memory is a Log in RAM, for unit tests: it answers as a broker does and forgets everything with the process.
// The zero value is not usable; NewMemory makes one. It is safe for concurrent use.
type Memory struct {
	clock func() time.Time

	mu     sync.Mutex
	topics map[string]*memoryTopic // guarded by mu, and so is what they hold
}

// NewMemory makes an empty log.
func NewMemory() *Memory { return NewMemoryAt(time.Now) }

// NewMemoryAt makes an empty log that takes the record time from a clock. Where the clock runs backwards, the record time stands still.
func NewMemoryAt(clock func() time.Time) *Memory {
	return &Memory{clock: clock, topics: map[string]*memoryTopic{}}
}

// Topic looks a topic up.
func (m *Memory) Topic(ctx context.Context, name string) (commitlog.Topic, error) {
	if err := ctx.Err(); err != nil {
		return commitlog.Topic{}, err
	}
	if err := commitlog.CheckTopic(name); err != nil {
		return commitlog.Topic{}, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	t := m.topics[name]
	if t == nil {
		return commitlog.Topic{}, &commitlog.UnknownTopicError{Topic: name}
	}
	return t.describe(), nil
}

// memoryPartitions is what a topic gets that does not say: as many as at a broker.
const memoryPartitions = 8

// CreateTopic creates a topic.
func (m *Memory) CreateTopic(ctx context.Context, cfg commitlog.TopicConfig) (commitlog.Topic, error) {
	if err := ctx.Err(); err != nil {
		return commitlog.Topic{}, err
	}
	cfg, err := completeTopic(cfg)
	if err != nil {
		return commitlog.Topic{}, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.topics[cfg.Name] != nil {
		return commitlog.Topic{}, &commitlog.TopicExistsError{Topic: cfg.Name}
	}
	t := &memoryTopic{
		name: cfg.Name, kind: cfg.Kind, id: uuid.New(), logID: uuid.New(), shards: cfg.Shards, created: m.clock().UTC(),
		partitions: make([][]commitlog.Record, cfg.Partitions),
		streams:    map[string]*memoryStream{},
		changed:    make(chan struct{}),
	}
	m.topics[cfg.Name] = t
	return t.describe(), nil
}

// completeTopic fills in the defaults of a topic and refuses what no topic can be.
func completeTopic(cfg commitlog.TopicConfig) (commitlog.TopicConfig, error) {
	if cfg.Kind == "" {
		cfg.Kind = commitlog.Versioned
	}
	if cfg.Partitions == 0 {
		cfg.Partitions = memoryPartitions
	}
	if cfg.Shards == 0 {
		cfg.Shards = 1
	}
	if err := commitlog.CheckTopic(cfg.Name); err != nil {
		return cfg, err
	}
	refuse := func(format string, args ...any) (commitlog.TopicConfig, error) {
		return cfg, &commitlog.InvalidError{Reason: fmt.Sprintf("topic %q: ", cfg.Name) + fmt.Sprintf(format, args...)}
	}
	switch {
	case cfg.Kind != commitlog.Versioned:
		return refuse("kind %q is not known: use %q", cfg.Kind, commitlog.Versioned)
	case cfg.Partitions < 1 || cfg.Partitions > wire.PartitionsMax:
		return refuse("%d partitions: choose 1 to %d", cfg.Partitions, wire.PartitionsMax)
	case cfg.Shards < 1 || cfg.Shards > cfg.Partitions:
		return refuse("%d shards: choose 1 to %d, its partitions", cfg.Shards, cfg.Partitions)
	}
	return cfg, nil
}

// find returns the topic that a caller has described earlier. The caller holds mu.
func (m *Memory) find(topic commitlog.Topic) (*memoryTopic, error) {
	t := m.topics[topic.Name]
	if t == nil || t.id != topic.ID {
		return nil, &commitlog.UnknownTopicError{Topic: topic.Name}
	}
	return t, nil
}
