package projections

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"maps"
	"slices"
	"sync"
)

// Memory is a sink that keeps the rows of one projection version in memory: for tests, and for read models that are built
// again at every start. Commits of different partitions take turns, because two partitions may fold into one row.
type Memory[Row any] struct {
	copier copier[Row]
	turn   chan struct{} // holds one token while the handlers of a commit run; taken before mu

	mu       sync.RWMutex // guards all below
	id       ID           // zero until the sink is used
	source   Source
	followed Source // also after a reset
	setUp    bool
	rows     map[string]Row // stored rows are never changed, only replaced
	parts    map[int32]*memoryPartition[Row]
	changed  chan struct{} // closed at the next change of checkpoints; nil while nobody watches
}

type memoryPartition[Row any] struct {
	mark    Mark
	newFrom int64
	epoch   uint64
	owner   *memoryLane[Row] // nil after Reset

	aside []ParkedEvent // by offset
}

// NewMemory gives an empty sink.
func NewMemory[Row any]() *Memory[Row] {
	return &Memory[Row]{
		copier: newCopier[Row](),
		turn:   make(chan struct{}, 1),
		rows:   make(map[string]Row),
		parts:  make(map[int32]*memoryPartition[Row]),
	}
}

// Private says that no other process sees the rows.
func (m *Memory[Row]) Private() {}

// Get gives the committed row of key. Slices, maps and pointers in it belong to the sink and must not be changed.
func (m *Memory[Row]) Get(key string) (Row, bool) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	row, ok := m.rows[key]
	return row, ok
}

// All gives the rows of one moment in the order of their keys. Slices, maps and pointers in them belong to the sink and must
// not be changed.
func (m *Memory[Row]) All() iter.Seq2[string, Row] {
	return func(yield func(string, Row) bool) {
		m.mu.RLock()
		rows := maps.Clone(m.rows)
		m.mu.RUnlock()
		for _, key := range slices.Sorted(maps.Keys(rows)) {
			if !yield(key, rows[key]) {
				return
			}
		}
	}
}

// Claim implements [Sink].
func (m *Memory[Row]) Claim(ctx context.Context, c Claim) (Lane[*Rows[Row]], error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	var zero Row
	if _, err := m.copier.copy(zero); err != nil {
		return nil, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.bind(c.ID()); err != nil {
		return nil, err
	}
	if m.source != (Source{}) && m.source != c.Source() {
		return nil, &DivergedError{Projection: c.ID(), Topic: c.Topic, Partition: c.Partition,
			Reason: fmt.Sprintf("the checkpoint belongs to topic %s (id %s, log %s), the worker reads topic %s (id %s, log %s)",
				m.source.Topic, m.source.TopicID, m.source.LogID, c.Topic, c.TopicID, c.LogID)}
	}
	if m.followed != c.Source() { // it was reset: the epochs of another log say nothing
		for _, part := range m.parts {
			if part.epoch = 0; m.followed.TopicID != c.TopicID {
				part.newFrom = 0
			}
		}
	}
	part := m.parts[c.Partition]
	if part == nil {
		part = &memoryPartition[Row]{}
		m.parts[c.Partition] = part
	}
	if c.Epoch < part.epoch {
		return nil, &FencedError{Projection: c.ID(), Partition: c.Partition, Epoch: c.Epoch, Owner: part.epoch}
	}
	m.source, m.followed = c.Source(), c.Source()
	lane := &memoryLane[Row]{sink: m, claim: c, part: part, mark: part.mark, newFrom: part.newFrom}
	part.epoch, part.owner = c.Epoch, lane
	m.announce()
	return lane, nil
}

// Setup implements [Sink].
func (m *Memory[Row]) Setup(ctx context.Context, p ID, fn func(*Rows[Row]) error) error {
	release, err := m.takeTurn(ctx)
	if err != nil {
		return err
	}
	defer release()

	m.mu.Lock()
	err = m.bind(p)
	done := m.setUp
	m.mu.Unlock()
	if err != nil || done {
		return err
	}
	rows := NewRows(m.load)
	if err := fn(rows); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.write(rows)
	m.setUp = true
	return nil
}

// Watch implements [Sink].
func (m *Memory[Row]) Watch(ctx context.Context, p ID) iter.Seq2[Checkpoints, error] {
	return func(yield func(Checkpoints, error) bool) {
		for {
			if err := ctx.Err(); err != nil {
				yield(Checkpoints{}, err)
				return
			}
			now, changed, err := m.look(p)
			if !yield(now, err) || err != nil {
				return
			}
			select {
			case <-changed:
			case <-ctx.Done():
			}
		}
	}
}

// Reset implements [Sink].
func (m *Memory[Row]) Reset(ctx context.Context, p ID) error {
	release, err := m.takeTurn(ctx)
	if err != nil {
		return err
	}
	defer release()

	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.bind(p); err != nil {
		return err
	}
	clear(m.rows)
	for _, part := range m.parts {
		part.newFrom = max(part.newFrom, part.mark.Next)
		part.mark, part.owner, part.aside = Mark{}, nil, nil
	}
	m.source, m.setUp = Source{}, false
	m.announce()
	return nil
}

// Snapshot implements [Snapshotter].
func (m *Memory[Row]) Snapshot(ctx context.Context, p ID, wanted func(key string) bool) (Snapshot[Row], error) {
	release, err := m.takeTurn(ctx) // no commit is half-way then
	if err != nil {
		return Snapshot[Row]{}, err
	}
	defer release()
	now, _, err := m.look(p)
	if err != nil {
		return Snapshot[Row]{}, err
	}
	s := Snapshot[Row]{Checkpoints: now, Rows: map[string]Row{}}
	for partition := range now.Partitions {
		s.Parked = append(s.Parked, m.Parked(partition)...)
	}
	for key, row := range m.All() {
		if wanted(key) {
			s.Rows[key] = row
		}
	}
	return s, nil
}

// bind gives the sink to the first projection version that uses it. The caller holds mu.
func (m *Memory[Row]) bind(p ID) error {
	if m.id == (ID{}) {
		m.id = p
	}
	if m.id != p {
		return fmt.Errorf("%w: it holds the rows of projection %s; give %s a memory sink of its own", ErrSinkInUse, m.id, p)
	}
	return nil
}

// announce wakes everyone who watches. The caller holds mu.
func (m *Memory[Row]) announce() {
	if m.changed != nil {
		close(m.changed)
		m.changed = nil
	}
}

// look gives the checkpoints and a channel that is closed when they have changed.
func (m *Memory[Row]) look(p ID) (Checkpoints, <-chan struct{}, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.id != (ID{}) {
		if err := m.bind(p); err != nil {
			return Checkpoints{}, nil, err
		}
	}
	now := Checkpoints{Source: m.source, Partitions: make(map[int32]Checkpoint, len(m.parts))}
	for number, part := range m.parts {
		now.Partitions[number] = Checkpoint{Mark: part.mark, Epoch: part.epoch}
	}
	if m.changed == nil {
		m.changed = make(chan struct{})
	}
	return now, m.changed, nil
}

// load gives copies of the committed rows of keys.
func (m *Memory[Row]) load(_ context.Context, keys []string, found func(string, Row)) error {
	for _, key := range keys {
		row, ok := m.Get(key)
		if !ok {
			continue
		}
		row, err := m.copier.copy(row)
		if err != nil {
			return err
		}
		found(key, row)
	}
	return nil
}

// write replaces the stored rows by the changed ones. The caller holds mu.
func (m *Memory[Row]) write(rows *Rows[Row]) {
	for key, row := range rows.Changes() {
		if row == nil {
			delete(m.rows, key)
		} else {
			m.rows[key] = *row
		}
	}
}

func (m *Memory[Row]) takeTurn(ctx context.Context) (release func(), err error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	select {
	case m.turn <- struct{}{}:
		return func() { <-m.turn }, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// memoryLane is used by one goroutine; only its place as the owner of the partition is shared, under the sink's mu.
type memoryLane[Row any] struct {
	sink    *Memory[Row]
	claim   Claim
	part    *memoryPartition[Row]
	mark    Mark
	newFrom int64
	closed  bool

	changes []func([]ParkedEvent) []ParkedEvent // of what is set aside, by the commit under way
}

func (l *memoryLane[Row]) Checkpoint() Mark { return l.mark }

// NewFrom implements [Gated].
func (l *memoryLane[Row]) NewFrom() int64 { return l.newFrom }

// Owned implements [Gated].
func (l *memoryLane[Row]) Owned(context.Context) error {
	return l.guarded(func() {})
}

func (l *memoryLane[Row]) Commit(ctx context.Context, next Mark, fn func(*Rows[Row]) error) error {
	if l.closed {
		return errors.New("commit on a closed lane")
	}
	release, err := l.sink.takeTurn(ctx)
	if err != nil {
		return err
	}
	defer release()

	if next.Next < l.mark.Next {
		return fmt.Errorf("a checkpoint cannot go back from %d to %d", l.mark.Next, next.Next)
	}
	if err := l.guarded(func() {}); err != nil {
		return err
	}
	rows := NewRows(l.sink.load)
	l.changes = nil
	if err := fn(rows); err != nil {
		return err
	}
	// The owner may have changed while the handlers ran.
	return l.guarded(func() {
		l.sink.write(rows)
		l.mark, l.part.mark = next, next
		for _, change := range l.changes {
			l.part.aside = change(l.part.aside)
		}
		l.sink.announce()
	})
}

// guarded calls fn with the sink locked, if the lane still owns its partition.
func (l *memoryLane[Row]) guarded(fn func()) error {
	l.sink.mu.Lock()
	defer l.sink.mu.Unlock()
	if l.part.owner != l {
		return &FencedError{Projection: l.claim.ID(), Partition: l.claim.Partition, Epoch: l.claim.Epoch, Owner: l.part.epoch}
	}
	fn()
	return nil
}

func (l *memoryLane[Row]) Close() error {
	l.closed = true
	return nil
}
