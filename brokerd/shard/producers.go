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

// producers is the idempotency table. It is a function of the log: entries expire by distance from the producer's newest sequence
// and by the log's own time, never by a local clock.
type producers struct {
	mu      sync.Mutex // the core adds, the store's runs read what changed
	byID    map[uint64]*producer
	total   int // writes held in all
	dropped []uint64
	forgot  uint64 // producers forgotten so far
}

const (
	producerIdleMax = 60 * 60 * 1000 // ms of log time after which an idle producer is forgotten; far above every client's budget
	producerTotal   = 1 << 20        // writes remembered in all (up to 56 MiB): beyond it the longest idle producers are forgotten
	producersMax    = 1 << 18        // producers remembered in all: beyond it the longest idle ones are forgotten with all that is known of them
)

func newProducers() *producers { return &producers{byID: map[uint64]*producer{}} }

// known is the answer to whether a sequence was stored.
type known uint8

const (
	neverStored known = iota // not in the log as far as it was applied
	wasStored
	forgotten // below the window that is remembered: nobody can tell
)

// lookup finds the writes that an append's sequence stored.
func (p *producers) lookup(id, sequence uint64) ([]stored, known) {
	p.mu.Lock()
	defer p.mu.Unlock()
	pr := p.byID[id]
	if pr == nil {
		return nil, neverStored
	}
	if sequence <= pr.floor || below(sequence, wire.SequencesKept, pr.newest) {
		return nil, forgotten
	}
	writes := pr.find(sequence)
	if len(writes) == 0 {
		return nil, neverStored
	}
	return writes, wasStored
}

// add remembers a write that the log holds. Adding it again changes nothing.
func (p *producers) add(id uint64, s stored) {
	p.mu.Lock()
	defer p.mu.Unlock()
	pr := p.byID[id]
	if pr == nil {
		pr = &producer{}
		p.byID[id] = pr
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
func (p *producers) expire(now int64) {
	for id, pr := range p.byID {
		if now-pr.used > producerIdleMax {
			p.forget(id, pr)
		}
	}
	if p.total <= producerTotal && len(p.byID) <= producersMax {
		return
	}
	ids := p.byUse()
	if n := len(ids); n > producersMax {
		for _, id := range ids[:n-producersMax/2] {
			p.forget(id, p.byID[id])
		}
		ids = ids[n-producersMax/2:]
	}
	for _, id := range ids {
		if p.total <= producerTotal/2 {
			return
		}
		// Its newest sequence stays: what came before it is answered as forgotten, never as new.
		pr := p.byID[id]
		p.total -= pr.writes()
		pr.history, pr.floor, pr.dirty = history{}, pr.newest, true
	}
}

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

func (p *producers) forget(id uint64, pr *producer) {
	p.total -= pr.writes()
	p.forgot++
	delete(p.byID, id)
	p.dropped = append(p.dropped, id)
}

// newest is the highest sequence of a producer that the log holds, false when nothing is known of it.
func (p *producers) newest(id uint64) (uint64, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	pr := p.byID[id]
	if pr == nil {
		return 0, false
	}
	return pr.newest, true
}

// forgottenSoFar counts the producers that were forgotten.
func (p *producers) forgottenSoFar() uint64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.forgot
}

// snapshot encodes the table in at most so many bytes: of each producer as many of its newest writes as fit, and if that does not suffice,
// only of the producers that were in use last. What is left out is answered as forgotten, never as new.
func (p *producers) snapshot(bytesMax int) []producerRow {
	p.mu.Lock()
	defer p.mu.Unlock()
	ids := p.byUse()
	slices.Reverse(ids)
	size := func(depth int) (n int) {
		for _, pr := range p.byID {
			n += snapshotRowOverhead + producerRowHeader + min(depth, pr.writes())*storedSize
		}
		return n
	}
	depth := 2 * wire.SequencesKept
	for depth > 1 && size(depth) > bytesMax {
		depth /= 2
	}
	rows := make([]producerRow, 0, len(ids))
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
	}
	return rows
}

// snapshotRowOverhead is what a snapshot adds to a row.
const snapshotRowOverhead = 8 + 4

// restore replaces the table by what a snapshot says.
func (p *producers) restore(rows []producerRow) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	for id := range p.byID {
		p.dropped = append(p.dropped, id)
	}
	p.byID, p.total = make(map[uint64]*producer, len(rows)), 0
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

// changed expires by the log's time, then lists what must be written to bring the index's rows up to date, and takes it as written.
// A nil value means deleted. Rows are encoded as they are asked for: the core, which waits for the lock, may have remembered more by then.
func (p *producers) changed(now int64) iter.Seq2[uint64, []byte] {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.expire(now)
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
	}
}

// load fills the table from the rows of the index.
func (p *producers) load(rows iter.Seq2[uint64, []byte]) error {
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
