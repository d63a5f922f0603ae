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

// stored remembers one write of an append, so that a retry is answered with the original result.
type stored struct {
	sequence     uint64
	hash         uint64 // of the append's content
	firstOffset  int64
	firstVersion int64
	partition    int32
	write        uint16 // index within the append
	count        int32
	timestamp    int64
}

// producer is what the shard remembers of one producer: its newest writes, by sequence and index.
type producer struct {
	newest uint64 // highest sequence stored
	floor  uint64 // of this sequence and those below nothing is remembered
	used   int64  // log time of the newest write
	writes []stored
	dirty  bool // changed since the last index run
}

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
	producerIdleMax   = 60 * 60 * 1000 // ms of log time after which an idle producer is forgotten; far above every client's budget
	producerTotal     = 1 << 20        // writes remembered in all (about 56 MiB): beyond it the longest idle producers are forgotten
	producersMax      = 1 << 18        // producers remembered in all: beyond it the longest idle ones are forgotten with all that is known of them
	producerRowHeader = 8 + 8          // floor, used
	storedSize        = 8 + 8 + 8 + 8 + 4 + 2 + 4 + 8
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
	i, ok := slices.BinarySearchFunc(pr.writes, sequence, func(s stored, q uint64) int {
		switch {
		case s.sequence < q:
			return -1
		case s.sequence > q:
			return 1
		}
		return 0
	})
	if !ok {
		return nil, neverStored
	}
	j := i
	for j < len(pr.writes) && pr.writes[j].sequence == sequence {
		j++
	}
	return slices.Clone(pr.writes[i:j]), wasStored
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
	i := len(pr.writes)
	for i > 0 && (pr.writes[i-1].sequence > s.sequence || pr.writes[i-1].sequence == s.sequence && pr.writes[i-1].write > s.write) {
		i--
	}
	if i > 0 && pr.writes[i-1].sequence == s.sequence && pr.writes[i-1].write == s.write {
		return
	}
	pr.writes = slices.Insert(pr.writes, i, s)
	p.total++
	// Cut by a whole window at a time: amortised, the cost is constant.
	if below(pr.writes[0].sequence, 2*wire.SequencesKept, pr.newest) {
		cut := 0
		for below(pr.writes[cut].sequence, wire.SequencesKept, pr.newest) {
			cut++
		}
		pr.writes = append(pr.writes[:0:0], pr.writes[cut:]...)
		p.total -= cut
	}
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
		p.total -= len(pr.writes)
		pr.writes, pr.floor, pr.dirty = nil, pr.newest, true
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
	p.total -= len(pr.writes)
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
			n += snapshotRowOverhead + producerRowHeader + min(depth, len(pr.writes))*storedSize
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
		if cut := len(short.writes) - depth; cut > 0 {
			// The writes of one append stay together.
			for cut < len(short.writes) && short.writes[cut].sequence == short.writes[cut-1].sequence {
				cut++
			}
			short.floor, short.writes = short.writes[cut-1].sequence, short.writes[cut:]
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
		p.total += len(pr.writes)
	}
	return nil
}

// changed expires by the log's time, then lists what must be written to bring the index's rows up to date, and takes it as written.
// A nil value means deleted.
func (p *producers) changed(now int64) map[uint64][]byte {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.expire(now)
	rows := make(map[uint64][]byte)
	for _, id := range p.dropped {
		rows[id] = nil
	}
	p.dropped = nil
	for id, pr := range p.byID {
		if pr.dirty {
			pr.dirty = false
			rows[id] = pr.encode()
		}
	}
	return rows
}

// load fills the table from the rows of the index.
func (p *producers) load(rows iter.Seq2[uint64, []byte]) error {
	for id, row := range rows {
		pr := &producer{}
		if err := pr.decode(row); err != nil {
			return err
		}
		p.byID[id] = pr
		p.total += len(pr.writes)
	}
	return nil
}

func (pr *producer) encode() []byte {
	b := make([]byte, 0, producerRowHeader+len(pr.writes)*storedSize)
	b = binary.LittleEndian.AppendUint64(b, pr.floor)
	b = binary.LittleEndian.AppendUint64(b, uint64(pr.used))
	for _, s := range pr.writes {
		b = binary.LittleEndian.AppendUint64(b, s.sequence)
		b = binary.LittleEndian.AppendUint64(b, s.hash)
		b = binary.LittleEndian.AppendUint64(b, uint64(s.firstOffset))
		b = binary.LittleEndian.AppendUint64(b, uint64(s.firstVersion))
		b = binary.LittleEndian.AppendUint32(b, uint32(s.partition))
		b = binary.LittleEndian.AppendUint16(b, s.write)
		b = binary.LittleEndian.AppendUint32(b, uint32(s.count))
		b = binary.LittleEndian.AppendUint64(b, uint64(s.timestamp))
	}
	return b
}

var errProducerRow = errors.New("producer row of the index has an impossible length")

func (pr *producer) decode(b []byte) error {
	if len(b) < producerRowHeader || (len(b)-producerRowHeader)%storedSize != 0 {
		return errProducerRow
	}
	pr.floor, pr.used = binary.LittleEndian.Uint64(b), int64(binary.LittleEndian.Uint64(b[8:]))
	pr.newest = pr.floor
	b = b[producerRowHeader:]
	pr.writes = make([]stored, 0, len(b)/storedSize)
	for ; len(b) > 0; b = b[storedSize:] {
		s := stored{
			sequence:     binary.LittleEndian.Uint64(b),
			hash:         binary.LittleEndian.Uint64(b[8:]),
			firstOffset:  int64(binary.LittleEndian.Uint64(b[16:])),
			firstVersion: int64(binary.LittleEndian.Uint64(b[24:])),
			partition:    int32(binary.LittleEndian.Uint32(b[32:])),
			write:        binary.LittleEndian.Uint16(b[36:]),
			count:        int32(binary.LittleEndian.Uint32(b[38:])),
			timestamp:    int64(binary.LittleEndian.Uint64(b[42:])),
		}
		pr.newest = max(pr.newest, s.sequence)
		pr.writes = append(pr.writes, s)
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
