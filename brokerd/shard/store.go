package shard

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"hash/crc32"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"sync"

	"github.com/google/uuid"
	"github.com/strandlog/strand/brokerd/index"
	"github.com/strandlog/strand/brokerd/segment"
	"github.com/strandlog/strand/internal/recordbatch"
	"github.com/strandlog/strand/internal/wire"
)

// store is what the committed log amounts to on this node: segments, index and heads. All of it is a cache of the log, written behind
// the answer by one goroutine; what that goroutine has not reached yet waits in a bounded queue.
//
// The heads table and the read side of opened belong to the core's goroutine. mu guards the rest; no other lock is taken while it is held.
type store struct {
	cfg       storeConfig
	layout    Layout
	log       *slog.Logger
	heads     *index.Heads
	segments  []*segment.Log // by slot; written by the writer alone
	db        *index.DB
	producers *producers
	failed    func() // is called when err is set
	mark      *mark
	done      chan struct{} // closed when the writer has ended
	closer    sync.Once
	closed    error

	mu       sync.Mutex
	wake     sync.Cond     // the writer waits for work, a run to end, or closing
	changed  chan struct{} // closed when written moves; nil while nobody waits
	queue    []Committed
	queued   int   // bytes of the queue, see weight
	applied  State // of the newest frame handed in
	written  State // of the newest frame in segments and tail
	tail     *index.Tail
	frozen   *index.Tail // being written to the index, nil between runs
	closing  bool
	runs     []chan error  // who waits for the next run of the index to be on disk
	err      error         // final
	lagSpace chan struct{} // closed when the queue has room again; nil while nobody waits
}

type storeConfig struct {
	dir          string
	logID        uuid.UUID
	layout       Layout
	headsMax     int // streams whose version is held in RAM
	tailMax      int // entries after which the tail is written to the index
	tailBytesMax int
	lagBytesMax  int // committed bytes that may wait for the writer
	segmentBytes int64
	kind         string // of the topic
	runBytesMax  int    // of batches after which the index is brought up to date even if the tail is not full
	logger       *slog.Logger
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// openStore opens what an earlier run left, at the index's watermark. Whatever lies beyond it is cut: the caller hands it in again from the log.
func openStore(cfg storeConfig) (*store, State, error) {
	if err := os.MkdirAll(cfg.dir, 0o700); err != nil {
		return nil, State{}, fmt.Errorf("creating the shard's directory: %w", err)
	}
	s := &store{
		cfg: cfg, layout: cfg.layout, log: cfg.logger,
		heads: index.NewHeads(cfg.headsMax), producers: newProducers(), tail: index.NewTail(), done: make(chan struct{}),
	}
	s.wake.L = &s.mu
	var err error
	if s.mark, err = openMark(filepath.Join(cfg.dir, "acked")); err != nil {
		return nil, State{}, err
	}
	state, err := s.loadUnlessNoted()
	if damage := new(damagedError); errors.As(err, &damage) {
		s.log.Error("segments and index are damaged: they are dropped and rebuilt from the log", "error", err)
		if err := s.drop(); err != nil {
			return nil, State{}, errors.Join(err, s.mark.close())
		}
		state, err = s.load()
	}
	if err != nil {
		return nil, State{}, errors.Join(err, s.release(), s.mark.close())
	}
	s.applied, s.written = state.Clone(), state.Clone()
	return s, state, nil
}

// noted ends the store when a read has met damage to segments or index, and remembers it: the next Open drops and rebuilds them.
func (s *store) noted(err error) error {
	if err == nil || !damaged(err) {
		return err
	}
	return s.fail(err)
}

func (s *store) notePath() string { return filepath.Join(s.cfg.dir, "damaged") }

// loadUnlessNoted is load, unless an earlier run has noted damage.
func (s *store) loadUnlessNoted() (State, error) {
	note, err := os.ReadFile(s.notePath())
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return s.load()
	case err != nil:
		return State{}, fmt.Errorf("looking for a note of damage: %w", err)
	}
	return State{}, &damagedError{fmt.Errorf("noted by an earlier run: %s", bytes.TrimSpace(note))}
}

// damagedError is damage to segments or index that a rebuild repairs.
type damagedError struct{ reason error }

func (e *damagedError) Error() string { return e.reason.Error() }

func (s *store) indexDir() string { return filepath.Join(s.cfg.dir, "index") }

func (s *store) segmentDir(slot int) string {
	return filepath.Join(s.cfg.dir, fmt.Sprintf("partition-%d", s.layout.Partition(slot)))
}

// load opens index and segments at the watermark, or empty.
func (s *store) load() (State, error) {
	state := NewState(s.cfg.logID, s.layout)
	db, err := index.Open(s.indexDir(), index.Config{})
	if errors.Is(err, index.ErrDamaged) {
		return state, &damagedError{err}
	}
	if err != nil {
		return state, fmt.Errorf("opening the index: %w", err)
	}
	s.db = db
	state, marks, err := s.watermark(state)
	if err != nil {
		return state, err
	}
	for slot := range s.layout.Len() {
		l, err := segment.Open(segment.Config{Dir: s.segmentDir(slot), BytesMax: s.cfg.segmentBytes}, marks[slot].Next, marks[slot].End)
		if errors.Is(err, segment.ErrCorrupt) {
			return state, &damagedError{fmt.Errorf("partition %d: %w", s.layout.Partition(slot), err)}
		}
		if err != nil {
			return state, fmt.Errorf("opening the segments of partition %d: %w", s.layout.Partition(slot), err)
		}
		s.segments = append(s.segments, l)
		if l.Start() > state.Starts[slot] && l.Next() > state.Starts[slot] {
			return state, &damagedError{fmt.Errorf("partition %d: its segments begin at offset %d: the first files are missing", s.layout.Partition(slot), l.Start())}
		}
	}
	return state, nil
}

// watermark reads how far the index reaches, and what it remembers of producers.
func (s *store) watermark(empty State) (State, []index.PartitionMark, error) {
	w, ok, err := s.db.Watermark()
	if err != nil {
		return empty, nil, &damagedError{err}
	}
	if !ok {
		return empty, make([]index.PartitionMark, s.layout.Len()), nil
	}
	if w.LogID != s.cfg.logID || len(w.Partitions) != s.layout.Len() {
		return empty, nil, &damagedError{fmt.Errorf("the index belongs to log %s with %d partitions", w.LogID, len(w.Partitions))}
	}
	state := State{LogID: w.LogID, Epoch: w.Epoch, Session: w.Session, Seq: w.Seq, Sum: w.Sum, Time: w.Time, layout: s.layout}
	for _, p := range w.Partitions {
		state.Next, state.Starts = append(state.Next, p.Next), append(state.Starts, p.Start)
	}
	var forgotten uint64
	if state.Bytes, state.Points, forgotten, err = decodeExtent(w.Log, s.layout.Len()); err != nil {
		return empty, nil, &damagedError{err}
	}
	if err := s.loadProducers(forgotten); err != nil {
		return empty, nil, &damagedError{err}
	}
	return state, w.Partitions, nil
}

func (s *store) loadProducers(forgotten uint64) error {
	var failed error
	rows := func(yield func(uint64, []byte) bool) {
		failed = s.db.Producers(yield)
	}
	return errors.Join(s.producers.load(rows, forgotten), failed)
}

// release closes what load has opened.
func (s *store) release() error {
	var errs []error
	if s.db != nil {
		errs = append(errs, s.db.Close())
	}
	for _, l := range s.segments {
		errs = append(errs, l.Close())
	}
	s.db, s.segments = nil, nil
	return errors.Join(errs...)
}

// drop removes segments and index. The mark stays: it is the only memory of what was acknowledged outside the log.
func (s *store) drop() error {
	errs := []error{s.release()}
	s.producers = newProducers()
	errs = append(errs, index.Drop(s.indexDir()), os.RemoveAll(s.notePath()))
	for slot := range s.layout.Len() {
		errs = append(errs, os.RemoveAll(s.segmentDir(slot)))
	}
	return errors.Join(errs...)
}

// Apply takes a committed frame. The heads are moved at once, the rest follows in the writer.
func (s *store) Apply(c Committed) error {
	for _, h := range c.Heads {
		s.heads.Put(h.Partition, h.Stream, h.Version)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err != nil {
		return s.err
	}
	s.queue = append(s.queue, c)
	s.queued += weight(&c)
	s.applied = c.State
	s.wake.Broadcast()
	return nil
}

// full says whether so much waits for the writer that admission has to wait; if so the channel is closed when there is room.
func (s *store) full() (<-chan struct{}, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.queued <= s.cfg.lagBytesMax || s.err != nil {
		return nil, false
	}
	if s.lagSpace == nil {
		s.lagSpace = make(chan struct{})
	}
	return s.lagSpace, true
}

// write is the writer's goroutine: it moves committed frames into segments and tail, and full tails into the index.
func (s *store) write() {
	defer close(s.done)
	var runs sync.WaitGroup
	defer runs.Wait()
	unindexed := 0 // bytes of batches since the last run
	for {
		s.mu.Lock()
		for len(s.queue) == 0 && len(s.runs) == 0 && !s.closing && s.err == nil {
			s.wake.Wait()
		}
		work, tail, failed, waiting, written := s.queue, s.tail, s.err, s.runs, s.written
		s.queue, s.runs = nil, nil
		s.mu.Unlock()
		if failed != nil || len(work) == 0 && len(waiting) == 0 {
			tell(waiting, cmp.Or(failed, ErrClosed))
			return
		}
		for i := range work {
			if err := s.place(&work[i], tail); err != nil {
				tell(waiting, s.fail(err))
				return
			}
			written = work[i].State
			// After each frame: what waits for the writer may hold more records than a tail takes, the more so when they are compressed.
			if unindexed += size(&work[i].Frame); tail.Len() >= s.cfg.tailMax || tail.Bytes() >= s.cfg.tailBytesMax || unindexed >= s.cfg.runBytesMax {
				unindexed = 0
				tail = s.freeze(&written, nil, &runs)
			}
		}
		if len(work) > 0 {
			if err := s.mark.set(written.Seq, written.Sum); err != nil {
				tell(waiting, s.fail(err))
				return
			}
		}
		if len(waiting) > 0 {
			unindexed = 0
			s.freeze(&written, waiting, &runs)
		}
	}
}

// tell answers those who wait for a run.
func tell(waiting []chan error, err error) {
	for _, done := range waiting {
		done <- err
	}
}

// size is the bytes of a frame's batches.
func size(f *Frame) (n int) {
	for _, e := range f.Entries {
		n += len(e.Batches)
	}
	return n
}

// weight is about what a frame takes while it waits for the writer. Of small frames of a shard with many partitions that is most of all the state, and
// of compressed batches of a table the keys.
func weight(c *Committed) int {
	const frame, head = 256, 48
	return size(&c.Frame) + len(c.Frame.Body) + frame + 8*len(c.State.Next) + head*len(c.Heads)
}

// place writes one frame into segments and tail and lets readers see it.
func (s *store) place(c *Committed, tail *index.Tail) error {
	for _, e := range c.Frame.Entries {
		slot, _ := s.layout.Slot(e.Partition)
		if s.cfg.kind == wire.KindPlain {
			if err := s.placeUnread(slot, &e); err != nil {
				return fmt.Errorf("partition %d: %w", e.Partition, err)
			}
			continue
		}
		for rest := e.Batches; len(rest) > 0; {
			batch, after, err := recordbatch.Parse(rest)
			if err != nil {
				return fmt.Errorf("partition %d: %w", e.Partition, err)
			}
			rest = after
			at, err := s.segments[slot].Append(batch.Bytes())
			if err != nil {
				return fmt.Errorf("writing a segment of partition %d: %w", e.Partition, err)
			}
			if err := indexBatch(s.cfg.kind, tail, e.Partition, batch, at); err != nil {
				return err
			}
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.written = c.State
	s.queued -= weight(c)
	if s.changed != nil {
		close(s.changed)
		s.changed = nil
	}
	if s.lagSpace != nil && s.queued <= s.cfg.lagBytesMax/2 {
		close(s.lagSpace)
		s.lagSpace = nil
	}
	return nil
}

// placeUnread writes batches of which nothing is indexed. Their checksums were verified when they were admitted, and the frame's when it was read from
// the log: here a third time would be for nothing.
func (s *store) placeUnread(slot int, e *FrameEntry) error {
	for rest := e.Batches; len(rest) > 0; {
		info, err := recordbatch.Peek(rest)
		if err != nil {
			return err
		}
		if info.Length > len(rest) {
			return fmt.Errorf("%w: a batch of %d bytes in %d", recordbatch.ErrCorrupt, info.Length, len(rest))
		}
		if _, err := s.segments[slot].Append(rest[:info.Length]); err != nil {
			return fmt.Errorf("writing a segment: %w", err)
		}
		rest = rest[info.Length:]
	}
	return nil
}

// indexBatch adds the records of a batch that lies at a place to the tail, as the topic's kind has it.
func indexBatch(kind string, tail *index.Tail, partition int32, batch recordbatch.Batch, at segment.Place) error {
	if kind == wire.KindTable {
		return indexKeys(tail, partition, batch, at)
	}
	return indexEvents(tail, partition, batch, at)
}

func indexEvents(tail *index.Tail, partition int32, batch recordbatch.Batch, at segment.Place) error {
	raw := batch.Bytes()
	var kind []byte
	var tags [][]byte
	for r, err := range batch.Records() {
		if err != nil {
			return fmt.Errorf("partition %d: %w", partition, err)
		}
		kind, tags = termsOf(r.Headers, tags[:0])
		version, err := versionOf(r.Headers)
		if err != nil {
			return fmt.Errorf("partition %d at offset %d: %w", partition, r.Offset, err)
		}
		command, _ := r.Headers.Get(wire.HeaderCommandID)
		if err := tail.Add(index.Entry{
			Partition: partition, Stream: string(r.Key), Version: version, CommandID: string(command), Type: kind, Tags: tags,
			Pointer: index.Pointer{
				Offset: r.Offset, Timestamp: r.Timestamp,
				Place: segment.Place{File: at.File, Pos: at.Pos + int64(r.Pos)},
				Len:   uint32(r.Len), Sum: crc32.Checksum(raw[r.Pos:r.Pos+r.Len], castagnoli),
			},
		}); err != nil {
			return fmt.Errorf("partition %d at offset %d: %w", partition, r.Offset, err)
		}
	}
	return nil
}

// freeze starts an index run of the tail. Only one run is under way: the next tail waits, and with it the writer.
// What waits is told when the run is on disk. It returns the next tail.
func (s *store) freeze(at *State, waiting []chan error, runs *sync.WaitGroup) *index.Tail {
	s.mu.Lock()
	for s.frozen != nil && s.err == nil {
		s.wake.Wait()
	}
	tail := s.tail
	tail.Freeze()
	next := index.NewTail()
	s.frozen, s.tail = tail, next
	s.mu.Unlock()
	w := s.markAt(at)
	runs.Go(func() {
		err := s.run(tail, w)
		if err == nil && len(waiting) > 0 {
			err = s.sweep(&w)
		}
		s.mu.Lock()
		s.frozen = nil
		s.wake.Broadcast()
		s.mu.Unlock()
		if err != nil {
			_ = s.fail(err)
		}
		tell(waiting, err)
	})
	return next
}

func (s *store) markAt(at *State) index.Watermark {
	w := index.Watermark{LogID: at.LogID, Seq: at.Seq, Epoch: at.Epoch, Session: at.Session, Sum: at.Sum, Time: at.Time, Log: appendExtent(nil, at)}
	for slot, l := range s.segments {
		w.Partitions = append(w.Partitions, index.PartitionMark{Next: at.Next[slot], Start: at.Starts[slot], End: l.End()})
	}
	return w
}

// run writes a frozen tail. The segments come first: after a power loss a pointer must never lead to bytes that are not there.
func (s *store) run(tail *index.Tail, w index.Watermark) error {
	for slot, l := range s.segments {
		if err := l.Sync(); err != nil {
			return fmt.Errorf("syncing the segments of partition %d: %w", s.layout.Partition(slot), err)
		}
	}
	rows, forgotten := s.producers.changed(w.Time, w.Epoch)
	w.Log = appendForgotten(w.Log, forgotten)
	if err := s.db.Apply(tail, rows, w); err != nil {
		return fmt.Errorf("writing the index: %w", err)
	}
	return nil
}

// unusable ends the store on any error of a lookup that the sequencer depends on.
func (s *store) unusable(err error) error {
	if err == nil || codeOf(err) == wire.NotLeader {
		return err
	}
	return s.fail(err)
}

// fail makes an error final for this store: nothing that is built on the log may fall behind it silently. It returns the error as a CacheError.
func (s *store) fail(err error) error {
	failed := &CacheError{Cause: err, Damaged: damaged(err)}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err != nil {
		return failed
	}
	s.err = failed
	s.log.Error("the shard's caches failed", "error", failed)
	if failed.Damaged {
		if noteErr := os.WriteFile(s.notePath(), []byte(err.Error()+"\n"), 0o600); noteErr != nil {
			s.log.Error("the damage could not be noted for the next start", "error", noteErr)
		}
	}
	defer s.failed()
	s.wake.Broadcast()
	if s.changed != nil {
		close(s.changed)
		s.changed = nil
	}
	if s.lagSpace != nil {
		close(s.lagSpace)
		s.lagSpace = nil
	}
	tell(s.runs, s.err)
	s.runs = nil
	return failed
}

// reach waits until everything that was committed before the call, and at least offset next of a slot, can be read.
func (s *store) reach(ctx context.Context, slot int, next int64) (State, error) {
	s.mu.Lock()
	seq := s.applied.Seq
	for {
		if s.err != nil {
			err := s.err
			s.mu.Unlock()
			return State{}, err
		}
		if s.written.Seq >= seq && s.written.Next[slot] >= next {
			w := s.written
			s.mu.Unlock()
			return w, nil
		}
		if s.changed == nil {
			s.changed = make(chan struct{})
		}
		changed := s.changed
		s.mu.Unlock()
		select {
		case <-changed:
		case <-ctx.Done():
			return State{}, ctx.Err()
		}
		s.mu.Lock()
	}
}

// tails returns the parts of the index that are in RAM, older first. Read them before the database: what leaves them is there already.
func (s *store) tails() []*index.Tail {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.frozen == nil {
		return []*index.Tail{s.tail}
	}
	return []*index.Tail{s.frozen, s.tail}
}

// closeOnce closes the store; later calls answer the same.
func (s *store) closeOnce() error {
	s.closer.Do(func() { s.closed = s.close() })
	return s.closed
}

// failure is the error that is final, if there is one.
func (s *store) failure() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.err
}

// end wakes the readers that wait for more: nothing will come.
func (s *store) end() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err == nil {
		s.err = ErrClosed
	}
	if s.changed != nil {
		close(s.changed)
		s.changed = nil
	}
}

// close writes everything to the index and closes it.
func (s *store) close() error {
	s.mu.Lock()
	s.closing = true
	s.wake.Broadcast()
	s.mu.Unlock()
	<-s.done
	defer s.end()
	var errs []error
	s.mu.Lock()
	written, failed := s.written, s.err
	s.mu.Unlock()
	if failed == nil {
		s.tail.Freeze()
		if err := s.run(s.tail, s.markAt(&written)); err != nil {
			errs = append(errs, s.fail(err))
		}
	}
	errs = append(errs, s.db.Close(), s.mark.close())
	for _, l := range s.segments {
		errs = append(errs, l.Close())
	}
	return errors.Join(errs...)
}
