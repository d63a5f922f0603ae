package topics

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/google/uuid"
	"github.com/strandlog/strand/internal/wire"
)

// Event is one event of the catalogue.
type Event struct {
	Stream  string // topic-NAME
	Version int64
	Type    string
	Data    []byte
}

// Log is the catalogue's own topic.
type Log interface {
	// Append adds one event to a stream at exactly the version after expected, or answers ErrConflict.
	Append(ctx context.Context, stream string, expected int64, typ string, data []byte) error
	// Events yields all events in the order of the log, as far as this node has them.
	Events(ctx context.Context) iter.Seq2[Event, error]
	// Live is Events and, from then on, those that come, until ctx ends.
	Live(ctx context.Context) iter.Seq2[Event, error]
}

// ErrConflict is the answer of a Log to an append whose expected version does not hold.
var ErrConflict = errors.New("the catalogue has changed")

// Shards starts and removes what a topic consists of. Both do nothing where there is nothing left to do. Alter tells what runs what it is to be
// from now on; what is started later is told by Start.
type Shards interface {
	// Start starts this node's part of a topic; of one that is being created it makes the log before.
	Start(ctx context.Context, t Topic) error
	Alter(t Topic)
	// Stop ends this node's part of a topic that is being deleted, and Remove deletes its log as well.
	Stop(ctx context.Context, t Topic) error
	Remove(ctx context.Context, t Topic) error
}

// Config sets a catalogue's defaults.
type Config struct {
	Shards int              // of a topic that does not say, default 1
	Clock  func() time.Time // default time.Now

	// Nodes is how many the cluster has, default 1: with more a topic has three copies unless it says otherwise, and [Catalogue.Lead] and
	// [Catalogue.Follow] do what Open does on a single node.
	Nodes  int
	Logger *slog.Logger // default: discards
}

// Catalogue knows the topics.
type Catalogue struct {
	log    Log
	shards Shards
	cfg    Config

	change   sync.Mutex // held for the whole of a change; taken before the others
	starting sync.Mutex // held while a topic is started; taken before mu

	mu      sync.RWMutex
	byName  map[string]Topic
	ended   map[uuid.UUID]Topic // deleted, and not stopped yet
	altered map[uuid.UUID]Topic // by another node, and not told to the shards yet
	read    int64               // events that Follow has taken in
	more    chan struct{}       // closed when it has taken in another; nil: nobody waits
}

// Open reads the catalogue, starts the topics that are ready and finishes creations and deletions that were cut off.
func Open(ctx context.Context, log Log, shards Shards, cfg Config) (*Catalogue, error) {
	if cfg.Clock == nil {
		cfg.Clock = time.Now
	}
	cfg.Shards, cfg.Nodes = max(cfg.Shards, 1), max(cfg.Nodes, 1)
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	c := &Catalogue{log: log, shards: shards, cfg: cfg, byName: map[string]Topic{}, ended: map[uuid.UUID]Topic{}, altered: map[uuid.UUID]Topic{}}
	if err := c.load(ctx); err != nil {
		return nil, err
	}
	if cfg.Nodes > 1 {
		return c, nil
	}
	for _, t := range c.sorted() {
		var err error
		switch t.State {
		case Ready:
			err = shards.Start(ctx, t)
		case Creating:
			_, err = c.start(ctx, t)
		case Deleting:
			err = c.remove(ctx, t)
		}
		if err != nil {
			return nil, fmt.Errorf("opening topic %q (%s): %w", t.Name, t.State, err)
		}
	}
	return c, nil
}

func (c *Catalogue) load(ctx context.Context) error {
	byName := map[string]Topic{}
	for e, err := range c.log.Events(ctx) {
		if err != nil {
			return fmt.Errorf("reading the catalogue: %w", err)
		}
		t, err := byName[e.Stream].evolve(e)
		if err != nil {
			return err
		}
		byName[e.Stream] = t
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.byName = byName
	return nil
}

// ErrUnfinished means that a change is in the catalogue, and failed before it was carried out: whoever leads the catalogue next finishes it, so whoever asked for it
// must not take it for undone.
var ErrUnfinished = errors.New("the change was begun, and is not finished")

// Create creates a topic. It returns when the topic can be used. Errors: ErrExists, ErrInvalid, ErrUnfinished.
func (c *Catalogue) Create(ctx context.Context, spec wire.TopicSpec) (Topic, error) {
	spec, err := complete(spec, c.cfg)
	if err != nil {
		return Topic{}, err
	}
	c.change.Lock()
	defer c.change.Unlock()
	old := c.get(stream(spec.Name))
	switch old.State {
	case Ready:
		return Topic{}, fmt.Errorf("%w: %q (id %s)", ErrExists, spec.Name, old.ID)
	case Creating, Deleting: // cut off half-way: nobody has used it
		if err := c.remove(ctx, old); err != nil {
			return Topic{}, err
		}
		old = c.get(stream(spec.Name))
	}
	id, err := uuid.NewV7()
	if err != nil {
		return Topic{}, fmt.Errorf("drawing a topic id: %w", err)
	}
	data, err := json.Marshal(created{ID: id, LogID: uuid.New(), Spec: spec, Created: c.cfg.Clock().UTC()})
	if err != nil {
		return Topic{}, fmt.Errorf("encoding topic %q: %w", spec.Name, err)
	}
	old.Name = spec.Name
	t, err := c.record(ctx, old, typeCreated, data)
	if err != nil {
		return Topic{}, err
	}
	if t, err = c.start(ctx, t); err != nil {
		return t, fmt.Errorf("%w: %w", ErrUnfinished, err)
	}
	return t, nil
}

// Alter changes a topic that serves on. A change to what is already so does nothing. Errors: ErrUnknown, ErrInvalid.
func (c *Catalogue) Alter(ctx context.Context, id uuid.UUID, change wire.TopicChange) (Topic, error) {
	c.change.Lock()
	defer c.change.Unlock()
	t, ok := c.ByID(id)
	if !ok {
		return Topic{}, fmt.Errorf("%w: no topic has the id %s", ErrUnknown, id)
	}
	spec, err := complete(changed(t.TopicSpec, change), c.cfg)
	if err != nil {
		return Topic{}, err
	}
	if spec == t.TopicSpec {
		return t, nil
	}
	data, err := json.Marshal(altered{Retention: spec.Retention})
	if err != nil {
		return Topic{}, fmt.Errorf("encoding the change of topic %q: %w", t.Name, err)
	}
	if t, err = c.record(ctx, t, typeAltered, data); err != nil {
		return Topic{}, err
	}
	c.shards.Alter(t)
	return t, nil
}

// Delete removes a topic with everything in it. Errors: ErrUnknown, ErrUnfinished.
func (c *Catalogue) Delete(ctx context.Context, id uuid.UUID) error {
	c.change.Lock()
	defer c.change.Unlock()
	t, ok := c.deletable(id)
	if !ok {
		return fmt.Errorf("%w: no topic has the id %s", ErrUnknown, id)
	}
	if t.State == Ready {
		var err error
		if t, err = c.record(ctx, t, typeDeleting, nil); err != nil {
			return err
		}
	}
	if err := c.remove(ctx, t); err != nil {
		return fmt.Errorf("%w: %w", ErrUnfinished, err)
	}
	return nil
}

// ByName finds a topic that is ready.
func (c *Catalogue) ByName(name string) (Topic, bool) {
	t := c.get(stream(name))
	return t, t.State == Ready
}

// ByID finds a topic that is ready.
func (c *Catalogue) ByID(id uuid.UUID) (Topic, bool) {
	for _, t := range c.sorted() {
		if t.ID == id && t.State == Ready {
			return t, true
		}
	}
	return Topic{}, false
}

// deletable finds a topic that is ready, or whose deletion was cut off.
func (c *Catalogue) deletable(id uuid.UUID) (Topic, bool) {
	for _, t := range c.sorted() {
		if t.ID == id && (t.State == Ready || t.State == Deleting) {
			return t, true
		}
	}
	return Topic{}, false
}

// List returns the topics that are ready, by name.
func (c *Catalogue) List() []Topic {
	return slices.DeleteFunc(c.sorted(), func(t Topic) bool { return t.State != Ready })
}

func (c *Catalogue) start(ctx context.Context, t Topic) (Topic, error) {
	if err := c.startReady(ctx, t); err != nil {
		return t, err
	}
	return c.record(ctx, t, typeReady, nil)
}

func (c *Catalogue) remove(ctx context.Context, t Topic) error {
	if err := c.shards.Remove(ctx, t); err != nil {
		return err
	}
	_, err := c.record(ctx, t, typeGone, nil)
	return err
}

// record appends one event of a topic and folds it.
func (c *Catalogue) record(ctx context.Context, t Topic, typ string, data []byte) (Topic, error) {
	name := stream(t.Name)
	if err := c.log.Append(ctx, name, t.version, typ, data); err != nil {
		return t, fmt.Errorf("recording %s of topic %q in the catalogue: %w", typ, t.Name, err)
	}
	t, err := t.evolve(Event{Stream: name, Version: t.version + 1, Type: typ, Data: data})
	if err != nil {
		return t, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.byName[name].version < t.version { // else another node has gone on, and Follow knows
		c.remember(name, t)
	}
	return t, nil
}

func stream(name string) string { return "topic-" + name }

func (c *Catalogue) get(stream string) Topic {
	c.mu.RLock()
	defer c.mu.RUnlock()
	return c.byName[stream]
}

func (c *Catalogue) sorted() []Topic {
	c.mu.RLock()
	defer c.mu.RUnlock()
	all := make([]Topic, 0, len(c.byName))
	for _, t := range c.byName {
		all = append(all, t)
	}
	slices.SortFunc(all, func(a, b Topic) int { return cmp.Compare(a.Name, b.Name) })
	return all
}
