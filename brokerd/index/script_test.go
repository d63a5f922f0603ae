package index

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"hash/fnv"
	"iter"
	"math/rand/v2"
	"testing"

	"github.com/cockroachdb/pebble/v2"
)

// script makes up the runs of a log: the same seed makes the same runs, so a rebuild can be compared with what survived.
type script struct {
	random   *rand.Rand
	versions []int64
	offset   int64
	seq      uint64
	large    int // entries of a large run; every fourth is large
}

func newScript(seed uint64, large int) *script {
	return &script{random: rand.New(rand.NewPCG(seed, 0)), versions: make([]int64, 2000), large: large}
}

var scriptTypes = []string{"", "a.done", "b.done", "b.do\x00"}

// next returns the next run. Producers come and go, and the watermark says which run it was.
func (s *script) next(tb testing.TB) (*Tail, iter.Seq2[uint64, []byte], Watermark) {
	tb.Helper()
	s.seq++
	tail := NewTail()
	size := 1 + s.random.IntN(50)
	if s.seq%4 == 0 {
		size = s.large
	}
	for range size {
		stream := s.random.IntN(len(s.versions))
		s.versions[stream]++
		e := entry(int32(stream%3), streamName(stream), s.versions[stream], "")
		e.Offset = s.offset + e.Place.File
		if s.random.IntN(3) == 0 {
			e.CommandID = fmt.Sprintf("command-%d", s.offset/2)
		}
		e.Type = []byte(scriptTypes[s.random.IntN(len(scriptTypes))])
		for range s.random.IntN(3) {
			e.Tags = append(e.Tags, fmt.Appendf(nil, "tag-%d", s.random.IntN(300)))
		}
		s.offset++
		if err := tail.Add(e); err != nil {
			tb.Fatal(err)
		}
	}
	rows := map[uint64][]byte{s.seq: []byte("row"), s.seq / 2: nil}
	w := markOf(s.seq)
	w.Partitions[0].Next = s.offset
	return tail, func(yield func(uint64, []byte) bool) {
		for id, row := range rows {
			if !yield(id, row) {
				return
			}
		}
	}, w
}

// play applies the next run.
func (s *script) play(tb testing.TB, db *DB) {
	tb.Helper()
	if err := db.Apply(s.next(tb)); err != nil {
		tb.Fatalf("run %d: %v", s.seq, err)
	}
}

// fingerprint sums up all rows of a database.
func fingerprint(db *DB) (sum uint64, rows int, err error) {
	h := fnv.New64a()
	err = db.read(&pebble.IterOptions{}, func(i *pebble.Iterator) error {
		for ok := i.First(); ok; ok = i.Next() {
			value, err := i.ValueAndErr()
			if err != nil {
				return err
			}
			var lengths [8]byte
			binary.BigEndian.PutUint32(lengths[:], uint32(len(i.Key())))
			binary.BigEndian.PutUint32(lengths[4:], uint32(len(value)))
			_, _ = h.Write(bytes.Join([][]byte{lengths[:], i.Key(), value}, nil))
			rows++
		}
		return nil
	})
	return h.Sum64(), rows, err
}

// rebuilds remembers the fingerprint after each run of a script.
type rebuilds struct {
	script *script
	db     *DB
	sums   []uint64 // by watermark; 0 = nothing applied
	rows   []int
}

func newRebuilds(tb testing.TB, s *script, db *DB) *rebuilds {
	tb.Helper()
	r := &rebuilds{script: s, db: db}
	r.note(tb)
	return r
}

func (r *rebuilds) note(tb testing.TB) {
	tb.Helper()
	sum, rows, err := fingerprint(r.db)
	if err != nil {
		tb.Fatal(err)
	}
	r.sums, r.rows = append(r.sums, sum), append(r.rows, rows)
}

// check fails when a database is not what the runs up to its watermark make of an empty one. It returns the watermark.
func (r *rebuilds) check(tb testing.TB, db *DB) uint64 {
	tb.Helper()
	w, _, err := db.Watermark()
	if err != nil {
		tb.Fatal(err)
	}
	for uint64(len(r.sums)) <= w.Seq {
		r.script.play(tb, r.db)
		r.note(tb)
	}
	sum, rows, err := fingerprint(db)
	if err != nil {
		tb.Fatal(err)
	}
	if sum != r.sums[w.Seq] || rows != r.rows[w.Seq] {
		tb.Fatalf("at watermark %d: %d rows (%x), a rebuild has %d (%x)", w.Seq, rows, sum, r.rows[w.Seq], r.sums[w.Seq])
	}
	return w.Seq
}
