package shard

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"os"
	"path/filepath"

	"github.com/google/uuid"
	"github.com/strandlog/strand/brokerd/index"
	"github.com/strandlog/strand/brokerd/segment"
	"github.com/strandlog/strand/internal/recordbatch"
	"github.com/strandlog/strand/internal/wire"
)

// VerifyConfig says what to verify: the log of a shard that is not open, and its caches. All but Each is required.
type VerifyConfig struct {
	Log    iter.Seq2[Message, error] // every message of the engine stream, from its first one on
	Dir    string                    // as in Config
	LogID  uuid.UUID
	Layout Layout
	Kind   string

	HeadsMax int                                         // streams whose versions are checked at once, default 4 Mi
	Each     func(partition int32, r recordbatch.Record) // is called for every valid record
}

// Verified is what Verify found.
type Verified struct {
	Frames, Void uint64
	LastSeq      uint64
	Partitions   []VerifiedPartition
	Unchecked    int64    // records whose version was not checked, because there are more streams than HeadsMax
	Damage       []string // empty: none
}

// VerifiedPartition is one partition as far as its log is sound.
type VerifiedPartition struct {
	Partition  int32
	Start, End int64
	Records    int64
	Bytes      int64
	Cached     int64 // records that segments and index were compared for
}

// damageMax bounds what is reported of one shard: a file that is gone is one damage, not a million.
const damageMax = 20

// Verify walks a log with the function V, and compares segments and index with it. The log is only read. The caches are opened as a start would
// open them. Damage is in the report; an error means that the report is not complete.
func Verify(ctx context.Context, cfg VerifyConfig) (Verified, error) {
	orDefault(&cfg.HeadsMax, 4<<20)
	v := &verifier{ctx: ctx, cfg: cfg, state: NewState(cfg.LogID, cfg.Layout), versions: NewVersions(cfg.HeadsMax)}
	for slot := range cfg.Layout.Len() {
		v.out.Partitions = append(v.out.Partitions, VerifiedPartition{Partition: cfg.Layout.Partition(slot)})
	}
	if err := v.openCaches(); err != nil {
		return v.out, err
	}
	defer v.caches.close()
	for m, err := range cfg.Log {
		if ctx.Err() != nil {
			return v.out, ctx.Err()
		}
		if err != nil {
			v.damaged("the log cannot be read behind engine sequence %d: %v", v.state.Seq, err)
			break
		}
		if err := v.message(m); err != nil {
			v.damaged("%v", err)
			break
		}
	}
	v.out.LastSeq = v.state.Seq
	v.out.Unchecked = v.versions.Unchecked
	v.bounds()
	return v.out, nil
}

type verifier struct {
	ctx      context.Context //nolint:containedctx // of one call
	cfg      VerifyConfig
	state    State
	versions *Versions
	caches   cachesToVerify
	out      Verified
}

func (v *verifier) damaged(format string, args ...any) {
	if len(v.out.Damage) < damageMax {
		v.out.Damage = append(v.out.Damage, fmt.Sprintf(format, args...))
	}
}

func (v *verifier) message(m Message) error {
	switch {
	case m.Seq < v.caches.cut:
		return nil // it was cut away, and shows again after a power loss
	case v.state.Seq == 0 && m.Seq > 1 && v.cfg.Kind != wire.KindVersioned:
		return v.begin(m)
	}
	frame, valid, err := v.state.Apply(m.Seq, m.Data)
	switch {
	case err != nil:
		return err
	case !valid && v.state.begins(&frame):
		return v.begin(m)
	case !valid:
		v.out.Void++
		return nil
	}
	v.out.Frames++
	for _, e := range frame.Entries {
		slot, _ := v.cfg.Layout.Slot(e.Partition)
		if err := v.entry(slot, e); err != nil {
			return &CorruptError{Seq: m.Seq, Reason: err}
		}
	}
	return nil
}

// begin starts at the snapshot at which the log was cut.
func (v *verifier) begin(m Message) error {
	if _, _, err := v.state.Begin(m.Seq, m.Data); err != nil {
		return err
	}
	v.out.Frames++
	for slot := range v.out.Partitions {
		v.out.Partitions[slot].Start = v.state.Next[slot]
	}
	return nil
}

func (v *verifier) entry(slot int, e FrameEntry) error {
	p := &v.out.Partitions[slot]
	next := e.Base
	for rest := e.Batches; len(rest) > 0; {
		batch, after, err := recordbatch.Parse(rest)
		if err != nil {
			return fmt.Errorf("partition %d at offset %d: %w", e.Partition, next, err)
		}
		rest = after
		if batch.Info().BaseOffset != next {
			return fmt.Errorf("partition %d: a batch begins at offset %d where %d is due", e.Partition, batch.Info().BaseOffset, next)
		}
		cached := v.segmentHolds(slot, batch)
		for r, err := range batch.Records() {
			if err != nil {
				return fmt.Errorf("partition %d at offset %d: %w", e.Partition, next, err)
			}
			if r.Offset != next {
				return fmt.Errorf("partition %d: offset %d stands where %d is due", e.Partition, r.Offset, next)
			}
			next++
			switch {
			case v.cfg.Kind == wire.KindVersioned:
				if err := v.version(slot, e.Partition, r, batch, cached); err != nil {
					return err
				}
			case v.cfg.Kind == wire.KindTable && cached:
				v.key(slot, e.Partition, r)
			}
			if v.cfg.Each != nil {
				v.cfg.Each(e.Partition, r)
			}
			p.Records++
			if cached {
				p.Cached++
			}
		}
	}
	p.Bytes += int64(len(e.Batches))
	if next != e.Base+int64(e.Count) {
		return fmt.Errorf("partition %d: the frame says offsets up to %d and holds them up to %d", e.Partition, e.Base+int64(e.Count), next)
	}
	return nil
}

// version checks the version of a record, and that the index finds the record by it.
func (v *verifier) version(slot int, partition int32, r recordbatch.Record, batch recordbatch.Batch, cached bool) error {
	version, err := versionOf(r.Headers)
	if err != nil {
		return fmt.Errorf("partition %d at offset %d: %w", partition, r.Offset, err)
	}
	if err := v.versions.Next(partition, string(r.Key), version); err != nil {
		return fmt.Errorf("partition %d at offset %d: %w", partition, r.Offset, err)
	}
	if cached {
		if err := v.caches.find(slot, partition, r, version, batch); err != nil {
			v.damaged("the index of partition %d does not lead to offset %d: %v: the next start rebuilds it from the log", partition, r.Offset, err)
		}
	}
	return nil
}

// key checks that the index of a table knows a record of the key at this offset or at a later one, and that it is the key's.
func (v *verifier) key(slot int, partition int32, r recordbatch.Record) {
	if r.Offset < v.caches.starts[slot] {
		return // it was deleted, and with it what the index knew
	}
	newest, err := v.caches.db.Head(partition, string(r.Key))
	if err == nil {
		err = v.caches.holds(v.ctx, slot, partition, r, newest, v.versions)
	}
	if err != nil {
		v.damaged("the index of partition %d does not lead to the latest record of key %q: %v: the next start does not notice: remove %s", partition, r.Key, err, v.cfg.Dir)
	}
}

// segmentHolds compares a batch with the segments, as far as they go.
func (v *verifier) segmentHolds(slot int, batch recordbatch.Batch) bool {
	info := batch.Info()
	if v.caches.db == nil || info.BaseOffset >= v.caches.next[slot] || info.BaseOffset < v.caches.segments[slot].Start() {
		return false
	}
	got, err := v.caches.segments[slot].Read(info.BaseOffset, 1)
	switch {
	case err != nil:
		v.damaged("segments: %v: the next start rebuilds them from the log", err)
	case !bytes.Equal(got, batch.Bytes()):
		v.damaged("the segments of partition %d differ from the log at offset %d: the next start does not notice: remove %s", v.cfg.Layout.Partition(slot), info.BaseOffset, v.cfg.Dir)
	default:
		return true
	}
	return false
}

// bounds compares where the log ends with what was acknowledged, and with what the caches hold.
func (v *verifier) bounds() {
	for slot := range v.out.Partitions {
		v.out.Partitions[slot].End = v.state.Next[slot]
	}
	if len(v.out.Damage) > 0 {
		return
	}
	if seq := v.caches.acked; v.state.Seq < seq {
		v.damaged("the log ends at engine sequence %d, but frames were acknowledged up to %d", v.state.Seq, seq)
	}
	for slot, next := range v.caches.next {
		if next > v.state.Next[slot] {
			v.damaged("the log of partition %d ends at offset %d, but the index knows offsets up to %d", v.cfg.Layout.Partition(slot), v.state.Next[slot], next)
		}
	}
}

// cachesToVerify are segments and index of a shard that is not open. Without a db there are none.
type cachesToVerify struct {
	db       *index.DB
	segments []*segment.Log
	next     []int64 // how far they go
	starts   []int64 // first offset kept
	acked    uint64  // see mark, like cut
	cut      uint64
}

func (v *verifier) openCaches() error {
	if _, err := os.Stat(v.cfg.Dir); errors.Is(err, fs.ErrNotExist) {
		return nil // the next start builds them
	}
	m, err := openMark(filepath.Join(v.cfg.Dir, "acked"))
	if err != nil {
		return err
	}
	v.caches.acked, _ = m.acked()
	v.caches.cut = m.cutAt()
	if err := m.close(); err != nil {
		return err
	}
	s := &store{cfg: storeConfig{dir: v.cfg.Dir, logID: v.cfg.LogID, layout: v.cfg.Layout, segmentBytes: 128 << 20}, layout: v.cfg.Layout, producers: newProducers()}
	if _, err := os.Stat(s.indexDir()); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	state, err := s.load()
	if damage := new(damagedError); errors.As(err, &damage) {
		v.damaged("segments or index are damaged: %v: the next start rebuilds them from the log", err)
		return s.release()
	}
	if err != nil {
		return errors.Join(err, s.release())
	}
	v.caches.db, v.caches.segments, v.caches.next, v.caches.starts = s.db, s.segments, state.Next, state.Starts
	return nil
}

func (c *cachesToVerify) close() {
	if c.db == nil {
		return
	}
	_ = (&store{db: c.db, segments: c.segments}).release() // they were only read
}

var errNotIndexed = errors.New("it is not in the index")

// find looks a record up as a reader would, and compares it with the log's.
func (c *cachesToVerify) find(slot int, partition int32, r recordbatch.Record, version int64, batch recordbatch.Batch) error {
	found := errNotIndexed
	err := c.db.Stream(partition, string(r.Key), version, func(got int64, p pointer) bool {
		if got != version || p.Offset != r.Offset {
			found = fmt.Errorf("version %d of stream %q stands at offset %d", got, r.Key, p.Offset)
			return false
		}
		raw := make([]byte, p.Len)
		found = c.segments[slot].ReadAt(p.Place, raw)
		if found == nil && !bytes.Equal(raw, batch.Bytes()[r.Pos:r.Pos+r.Len]) {
			found = fmt.Errorf("version %d of stream %q leads to other bytes", version, r.Key)
		}
		return false
	})
	if err != nil {
		return err
	}
	return found
}

// holds compares what the index takes for the newest offset of a key, plus 1, with a record of it and with the segments. A key is looked up once for
// each newest offset, as long as checked remembers it.
func (c *cachesToVerify) holds(ctx context.Context, slot int, partition int32, r recordbatch.Record, newest int64, checked *Versions) error {
	switch {
	case newest < r.Offset+1:
		return fmt.Errorf("it stands at offset %d or later, the index says %d", r.Offset, newest-1)
	case newest == r.Offset+1:
		return nil
	case newest > c.next[slot]:
		return fmt.Errorf("the index says offset %d, and goes up to %d", newest-1, c.next[slot])
	}
	if last, known := checked.heads.Get(partition, string(r.Key)); known && last == newest {
		return nil
	}
	found, err := (&store{segments: c.segments}).recordAt(ctx, slot, newest-1, nil)
	switch {
	case err != nil:
		return err
	case !bytes.Equal(found.Key, r.Key):
		return fmt.Errorf("the index says offset %d, where key %q stands", newest-1, found.Key)
	}
	checked.heads.Put(partition, string(r.Key), newest)
	return nil
}
