package shard

import (
	"cmp"
	"encoding/binary"
	"errors"
	"iter"
	"slices"
	"sync"

	"github.com/strandlog/strand/internal/wire"
)

// producers is the idempotency table. Entries expire by distance from the producer's newest sequence and by the log's own time, never by a local clock.
// Nodes may forget at different moments, but each knows what it may have forgotten: whatever the log holds is found, or lookup says that nobody can tell.
type producers struct {
	mu        sync.Mutex // the core adds, the store's runs read what changed
	byID      map[uint64]*producer
	max       int // producers remembered in all
	total     int // writes held in all
	dropped   []uint64
	forgotten uint64 // the highest epoch in which a producer stored something that is forgotten entirely
}

const (
	producerIdleMax = 60 * 60 * 1000 // ms of log time after which an idle producer is forgotten; far above every client's budget
	producerTotal   = 1 << 20        // writes remembered in all (up to 56 MiB): beyond it the longest idle producers are forgotten
	producersMax    = 1 << 18        // producers remembered in all: beyond it the longest idle ones are forgotten with all that is known of them
)

func newProducers() *producers { return &producers{byID: map[uint64]*producer{}, max: producersMax} }

// known is the answer to whether a sequence was stored.
type known uint8

const (
	neverStored known = iota // not in the log as far as it was applied
	wasStored
	forgotten // if it was stored it may be forgotten: nobody can tell
)

// lookup finds the writes that an append's sequence stored. Nothing of the append was sent to a session before the epoch since.
func (p *producers) lookup(id, sequence, since uint64) ([]stored, known) {
	p.mu.Lock()
	defer p.mu.Unlock()
	pr, lost := p.byID[id], p.forgotten
	if pr != nil {
		if sequence <= pr.floor || below(sequence, wire.SequencesKept, pr.newest) {
			return nil, forgotten
		}
		if writes := pr.find(sequence); len(writes) > 0 {
			return writes, wasStored
		}
		lost = pr.forgotten
	}
	if since <= lost {
		return nil, forgotten
	}
	return nil, neverStored
}

// add remembers a write that the log holds, in a frame of an epoch. Adding it again changes nothing.
func (p *producers) add(id, epoch uint64, s stored) {
	p.mu.Lock()
	defer p.mu.Unlock()
	pr := p.byID[id]
	if pr == nil {
		pr = &producer{forgotten: p.forgotten}
		p.byID[id] = pr
	}
	if epoch > pr.epoch {
		pr.epoch, pr.dirty = epoch, true
	}
	if s.sequence <= pr.floor {
		return // replayed from the log: its producer's row is newer
	}
	pr.dirty = true
	pr.newest = max(pr.newest, s.sequence)
	pr.used = max(pr.used, s.timestamp)
	before := pr.writes()
	pr.add(s)
	// Cut by a whole window at a time: amortised, the cost is constant.
	if below(pr.oldest(), 2*wire.SequencesKept, pr.newest) {
		pr.keepFrom(pr.newest - wire.SequencesKept + 1)
	}
	p.total += pr.writes() - before
}

// below says whether a sequence lies at least so far below another one. A client may choose the largest number that there is, so nothing is added to it.
func below(sequence, distance, newest uint64) bool {
	return newest >= distance && sequence <= newest-distance
}

// expire forgets producers that were idle for long by the log's time, and drops what it remembers of the longest idle ones when the table is too large.
// Of one that stored something in the newest epoch the newest sequence stays: requests to the session that serves may still arrive, and must find it.
func (p *producers) expire(now int64, epoch uint64) {
	for id, pr := range p.byID {
		switch {
		case !pr.idle(now):
		case pr.epoch < epoch:
			p.forget(id, pr)
		default:
			p.drop(pr)
		}
	}
	if p.total <= producerTotal && len(p.byID) <= p.max {
		return
	}
	ids := p.byUse()
	if n := len(ids); n > p.max {
		for _, id := range ids[:n-p.max/2] {
			p.forget(id, p.byID[id])
		}
		ids = ids[n-p.max/2:]
	}
	for _, id := range ids {
		if p.total <= producerTotal/2 {
			return
		}
		p.drop(p.byID[id])
	}
}

func (pr *producer) idle(now int64) bool { return now-pr.used > producerIdleMax }

// byUse lists the producers, the longest idle ones first. It looks nothing up while it sorts: the sequencer waits for the lock.
func (p *producers) byUse() []uint64 {
	type use struct {
		id   uint64
		used int64
	}
	uses := make([]use, 0, len(p.byID))
	for id, pr := range p.byID {
		uses = append(uses, use{id, pr.used})
	}
	slices.SortFunc(uses, func(a, b use) int { return cmp.Or(cmp.Compare(a.used, b.used), cmp.Compare(a.id, b.id)) })
	ids := make([]uint64, len(uses))
	for i, u := range uses {
		ids[i] = u.id
	}
	return ids
}

// forget knows nothing of a producer any more, but when it stored something last.
func (p *producers) forget(id uint64, pr *producer) {
	p.total -= pr.writes()
	p.forgotten = max(p.forgotten, pr.epoch)
	delete(p.byID, id)
	p.dropped = append(p.dropped, id)
}

// drop remembers of a producer the newest sequence alone: what came before it is answered as forgotten, never as new.
func (p *producers) drop(pr *producer) {
	if pr.writes() == 0 {
		return
	}
	p.total -= pr.writes()
	pr.history, pr.floor, pr.dirty = history{}, pr.newest, true
}

// newest is the highest sequence of a producer that the log holds, 0 when nothing is known of it.
func (p *producers) newest(id uint64) uint64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	if pr := p.byID[id]; pr != nil {
		return pr.newest
	}
	return 0
}

// forgottenIn is the highest epoch in which a producer stored something that is forgotten.
func (p *producers) forgottenIn() uint64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.forgotten
}

// snapshot encodes the table in at most so many bytes: of each producer as many of its newest writes as fit, and if that does not suffice,
// only of the producers that were in use last. Those that are idle by now are left out: whoever begins with the snapshot serves another session.
// The second result is the epoch up to which it has, with what was left out, forgotten something.
func (p *producers) snapshot(bytesMax int, now int64) (rows []producerRow, forgotten uint64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	ids := slices.DeleteFunc(p.byUse(), func(id uint64) bool { return p.byID[id].idle(now) })
	slices.Reverse(ids)
	size := func(depth int) (n int) {
		for _, id := range ids {
			n += snapshotRowOverhead + producerRowHeader + min(depth, p.byID[id].writes())*storedSize
		}
		return n
	}
	depth := 2 * wire.SequencesKept
	for depth > 1 && size(depth) > bytesMax {
		depth /= 2
	}
	rows = make([]producerRow, 0, len(ids))
	kept := make(map[uint64]bool, len(ids))
	for _, id := range ids {
		short := *p.byID[id]
		if cut := short.writes() - depth; cut > 0 {
			short.floor = short.dropOldest(cut)
		}
		row := short.encode()
		if bytesMax -= snapshotRowOverhead + len(row); bytesMax < 0 {
			break
		}
		rows = append(rows, producerRow{id: id, row: row})
		kept[id] = true
	}
	forgotten = p.forgotten
	for id, pr := range p.byID {
		if !kept[id] {
			forgotten = max(forgotten, pr.epoch)
		}
	}
	return rows, forgotten
}

// snapshotRowOverhead is what a snapshot adds to a row.
const snapshotRowOverhead = 8 + 4

// restore replaces the table by what a snapshot says.
func (p *producers) restore(rows []producerRow, forgotten uint64) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	for id := range p.byID {
		p.dropped = append(p.dropped, id)
	}
	p.byID, p.total, p.forgotten = make(map[uint64]*producer, len(rows)), 0, forgotten
	for _, r := range rows {
		pr := &producer{dirty: true}
		if err := pr.decode(r.row); err != nil {
			return err
		}
		p.byID[r.id] = pr
		p.total += pr.writes()
	}
	return nil
}

// changed expires by the log's time and epoch, then lists what must be written to bring the index's rows up to date, and takes it as written.
// A nil value means deleted. Rows are encoded as they are asked for: the core, which waits for the lock, may have remembered more by then.
// The second result is the epoch up to which the rows have forgotten something.
func (p *producers) changed(now int64, epoch uint64) (changed iter.Seq2[uint64, []byte], forgotten uint64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.expire(now, epoch)
	dropped := p.dropped
	p.dropped = nil
	rows := make(map[uint64]producer)
	for id, pr := range p.byID {
		if pr.dirty {
			pr.dirty = false
			rows[id] = pr.view()
		}
	}
	return func(yield func(uint64, []byte) bool) {
		for _, id := range dropped {
			if _, again := rows[id]; !again && !yield(id, nil) {
				return
			}
		}
		for id, pr := range rows {
			if !yield(id, pr.encode()) {
				return
			}
		}
	}, p.forgotten
}

// load fills the table from the rows of the index, which have forgotten something up to an epoch.
func (p *producers) load(rows iter.Seq2[uint64, []byte], forgotten uint64) error {
	p.forgotten = forgotten
	for id, row := range rows {
		pr := &producer{}
		if err := pr.decode(row); err != nil {
			return err
		}
		p.byID[id] = pr
		p.total += pr.writes()
	}
	return nil
}

// producerHeader is the value of the header p, on the first record of each write.
type producerHeader struct {
	producer uint64
	epoch    uint32
	sequence uint64
	write    uint16
	count    uint32
	hash     uint64
}

const producerHeaderSize = 8 + 4 + 8 + 2 + 4 + 8

func (h producerHeader) appendTo(dst []byte) []byte {
	dst = binary.BigEndian.AppendUint64(dst, h.producer)
	dst = binary.BigEndian.AppendUint32(dst, h.epoch)
	dst = binary.BigEndian.AppendUint64(dst, h.sequence)
	dst = binary.BigEndian.AppendUint16(dst, h.write)
	dst = binary.BigEndian.AppendUint32(dst, h.count)
	return binary.BigEndian.AppendUint64(dst, h.hash)
}

var errProducerHeader = errors.New("producer header has a wrong length")

func decodeProducerHeader(b []byte) (producerHeader, error) {
	if len(b) != producerHeaderSize {
		return producerHeader{}, errProducerHeader
	}
	return producerHeader{
		producer: binary.BigEndian.Uint64(b),
		epoch:    binary.BigEndian.Uint32(b[8:]),
		sequence: binary.BigEndian.Uint64(b[12:]),
		write:    binary.BigEndian.Uint16(b[20:]),
		count:    binary.BigEndian.Uint32(b[22:]),
		hash:     binary.BigEndian.Uint64(b[26:]),
	}, nil
}
