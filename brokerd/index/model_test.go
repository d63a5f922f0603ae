package index

import (
	"fmt"
	"maps"
	"slices"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// TestTailAndDBMatchAModel plays adds, freezes, runs and restarts against plain maps. A reader asks as the shard does: the tails,
// newest first, and then the database.
func TestTailAndDBMatchAModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := newModel(t)
		defer m.close(t)
		t.Repeat(map[string]func(*rapid.T){
			"":          m.check,
			"add":       m.add,
			"add more":  m.add, // twice as often as the rest
			"freeze":    m.freeze,
			"apply":     m.apply,
			"restart":   m.restart,
			"producers": m.setProducer,
			"find":      m.find,
			"find more": m.find,
		})
	})
}

type modelStream struct {
	partition int32
	name      string
}

type modelUse struct {
	first int64
	count int
}

type model struct {
	disk   *vfs.MemFS
	db     *DB
	frozen *Tail // nil: none
	tail   *Tail

	events    map[modelStream][]versioned
	older     map[modelStream]int64 // newest version that is not in the tail
	commands  map[modelStream]map[string]modelUse
	producers map[uint64]string
	changed   map[uint64][]byte // producers' rows of the next run
	seq       uint64
	offset    int64
	terms     []modelTerms // by the order of their events
}

// modelTerms is what queries can find an event by.
type modelTerms struct {
	partition int32
	offset    int64
	kind      string
	tags      []string
}

func newModel(t *rapid.T) *model {
	m := &model{
		disk: vfs.NewMem(), tail: NewTail(), events: map[modelStream][]versioned{}, commands: map[modelStream]map[string]modelUse{}, older: map[modelStream]int64{},
		producers: map[uint64]string{}, changed: map[uint64][]byte{},
	}
	m.open(t)
	return m
}

func (m *model) open(t *rapid.T) {
	var err error
	if m.db, err = Open("/index", Config{fs: m.disk}); err != nil {
		t.Fatal(err)
	}
}

func (m *model) close(t *rapid.T) {
	if err := m.db.Close(); err != nil {
		t.Fatal(err)
	}
}

var modelStreams = rapid.Custom(func(t *rapid.T) modelStream {
	return modelStream{rapid.Int32Range(0, 1).Draw(t, "partition"), rapid.SampledFrom([]string{"a", "a\x00", "a\x01", "ab", "b-1"}).Draw(t, "stream")}
})

var (
	modelTypes = rapid.SampledFrom([]string{"", "a", "a\x00", "a.b", "b"})
	modelTags  = rapid.SampledFrom([]string{"t", "t\x00", "t1", "u", "\xff"})
)

// find asks for types and tags as the shard does.
func (m *model) find(t *rapid.T) {
	pick := func(g *rapid.Generator[string], least int, what string) (picked [][]byte) {
		for _, name := range rapid.SliceOfN(g, least, 3).Draw(t, what) {
			if name != "" {
				picked = append(picked, []byte(name))
			}
		}
		return picked
	}
	q := Query{Partition: rapid.Int32Range(0, 1).Draw(t, "partition"), Types: pick(modelTypes, 0, "types")}
	q.Tags = pick(modelTags, 1-min(len(q.Types), 1), "tags")
	q.After = max(0, pointerOf(m.offset).Offset-rapid.Int64Range(-1, m.offset+1).Draw(t, "how far back"))
	var want []int64
	for _, has := range m.terms {
		if has.partition == q.Partition && has.offset >= q.After && has.isWhat(q) {
			want = append(want, has.offset)
		}
	}
	got, found, err := int64(0), false, error(nil)
	for _, tail := range m.tails() {
		if got, found, err = tail.Find(q, new(Steps)); found || err != nil {
			break
		}
	}
	if !found && err == nil {
		got, found, err = m.db.Find(q, new(Steps))
	}
	if err != nil || found != (len(want) > 0) || found && !slices.Contains(want, got) {
		t.Fatalf("types %q, tags %q from %d on are found at %d, %t, %v; they are at %v", q.Types, q.Tags, q.After, got, found, err, want)
	}
}

func (has modelTerms) isWhat(q Query) bool {
	is := len(q.Types) == 0
	for _, kind := range q.Types {
		is = is || string(kind) == has.kind
	}
	for _, tag := range q.Tags {
		is = is && slices.Contains(has.tags, string(tag))
	}
	return is
}

var modelCommands = rapid.SampledFrom([]string{"", "c", "c1", "\x00"})

// add is one write: some events of one stream under one command id.
func (m *model) add(t *rapid.T) {
	stream, command := modelStreams.Draw(t, "stream"), modelCommands.Draw(t, "command")
	for range rapid.IntRange(1, 5).Draw(t, "events") {
		m.offset++
		version := int64(len(m.events[stream]) + 1)
		e := Entry{Partition: stream.partition, Stream: stream.name, Version: version, CommandID: command, Pointer: pointerOf(m.offset)}
		has := modelTerms{stream.partition, e.Offset, modelTypes.Draw(t, "type"), rapid.SliceOfN(modelTags, 0, 4).Draw(t, "tags")}
		m.terms = append(m.terms, has)
		e.Type = []byte(has.kind)
		for _, tag := range has.tags {
			e.Tags = append(e.Tags, []byte(tag))
		}
		if err := m.tail.Add(e); err != nil {
			t.Fatal(err)
		}
		m.events[stream] = append(m.events[stream], versioned{version, e.Pointer})
		if command != "" {
			m.use(stream, command, version)
		}
	}
}

// use notes an event under a command id. An id that is used again at once, within the same tail, counts as one use.
func (m *model) use(stream modelStream, command string, version int64) {
	if m.commands[stream] == nil {
		m.commands[stream] = map[string]modelUse{}
	}
	u := m.commands[stream][command]
	if u.first > m.older[stream] && u.first+int64(u.count) == version {
		u.count++
	} else {
		u = modelUse{version, 1}
	}
	m.commands[stream][command] = u
}

func (m *model) freeze(t *rapid.T) {
	if m.frozen != nil {
		t.Skip("a tail is frozen already")
	}
	m.tail.Freeze()
	if err := m.tail.Add(entry(0, "a", 1000, "")); err == nil {
		t.Fatal("added to a frozen tail")
	}
	m.frozen, m.tail = m.tail, NewTail()
	for stream, events := range m.events {
		m.older[stream] = int64(len(events))
	}
}

func (m *model) apply(t *rapid.T) {
	if m.frozen == nil {
		t.Skip("no tail is frozen")
	}
	m.seq++
	if err := m.db.Apply(m.frozen, maps.All(m.changed), markOf(m.seq)); err != nil {
		t.Fatal(err)
	}
	m.frozen, m.changed = nil, map[uint64][]byte{}
}

func (m *model) setProducer(t *rapid.T) {
	id := rapid.Uint64Range(0, 3).Draw(t, "producer")
	if rapid.Bool().Draw(t, "delete") {
		m.changed[id] = nil
		delete(m.producers, id)
		return
	}
	m.producers[id] = fmt.Sprint(m.seq)
	m.changed[id] = []byte(m.producers[id])
}

// restart closes the index and opens it again; tails stay, as if they were filled again from the log.
func (m *model) restart(t *rapid.T) {
	m.close(t)
	m.open(t)
}

func (m *model) tails() []*Tail {
	if m.frozen == nil {
		return []*Tail{m.tail}
	}
	return []*Tail{m.tail, m.frozen}
}

func (m *model) check(t *rapid.T) {
	m.checkStream(t, rapid.SampledFrom([]modelStream{
		{0, "a"}, {0, "a\x00"}, {0, "a\x01"}, {0, "ab"}, {0, "b-1"}, {1, "a"}, {1, "a\x01"}, {1, "ab"}, {2, "a"}, {0, "b"},
	}).Draw(t, "stream"))
	if w, ok, err := m.db.Watermark(); err != nil || ok != (m.seq > 0) || w.Seq != m.seq {
		t.Fatalf("watermark %d, %t, %v; want %d", w.Seq, ok, err, m.seq)
	}
	if len(m.changed) == 0 {
		got := map[uint64]string{}
		if err := m.db.Producers(func(id uint64, row []byte) bool { got[id] = string(row); return true }); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(m.producers, got); diff != "" {
			t.Fatalf("producers (-want +got):\n%s", diff)
		}
	}
}

func (m *model) checkStream(t *rapid.T, stream modelStream) {
	if got, want := m.head(t, stream), int64(len(m.events[stream])); got != want {
		t.Fatalf("head of %v is %d, want %d", stream, got, want)
	}
	from := rapid.Int64Range(-1, int64(len(m.events[stream])+2)).Draw(t, "from")
	want := m.events[stream][min(max(int(from)-1, 0), len(m.events[stream])):]
	if diff := cmp.Diff(slices.Clone(want), m.read(t, stream, from)); diff != "" && len(want) > 0 {
		t.Fatalf("%v from %d (-want +got):\n%s", stream, from, diff)
	}
	for _, command := range []string{"c", "c1", "\x00", "d"} {
		want, known := m.commands[stream][command]
		if got, ok := m.command(t, stream, command); ok != known || got != want {
			t.Fatalf("command %q of %v: %v, %t; want %v, %t", command, stream, got, ok, want, known)
		}
	}
}

func (m *model) head(t *rapid.T, s modelStream) int64 {
	for _, tail := range m.tails() {
		if v := tail.Head(s.partition, s.name); v > 0 {
			return v
		}
	}
	v, err := m.db.Head(s.partition, s.name)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func (m *model) read(t *rapid.T, s modelStream, from int64) []versioned {
	var all []versioned
	visit := func(v int64, p Pointer) bool {
		all = append(all, versioned{v, p})
		return true
	}
	if err := m.db.Stream(s.partition, s.name, from, visit); err != nil {
		t.Fatal(err)
	}
	for _, tail := range slices.Backward(m.tails()) {
		tail.Stream(s.partition, s.name, from, visit)
	}
	return all
}

func (m *model) command(t *rapid.T, s modelStream, id string) (modelUse, bool) {
	for _, tail := range m.tails() {
		if first, count, ok := tail.Command(s.partition, s.name, id); ok {
			return modelUse{first, count}, true
		}
	}
	first, count, ok, err := m.db.Command(s.partition, s.name, id)
	if err != nil {
		t.Fatal(err)
	}
	return modelUse{first, count}, ok
}
