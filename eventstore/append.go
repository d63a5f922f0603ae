package eventstore

import (
	"context"
	"fmt"
	"reflect"
	"slices"

	"github.com/google/uuid"
	"github.com/strandlog/strand/commitlog"
	"github.com/strandlog/strand/internal/eventid"
	"github.com/strandlog/strand/internal/wire"
)

// Write is one stream's part of an append.
type Write struct {
	Stream   string
	Expected Expected
	Events   []any       // values of types that the store was opened with
	IDs      []uuid.UUID // of the events; empty: drawn. Whoever repeats an append after ErrIndefinite gives the ones that the error names
	Metadata Metadata    // laid over what the context carries
	ReadBack bool        // answer the events as they will be read, and refuse one that cannot be: see Appended.Events
}

// Appended says what an append has stored in one stream.
type Appended struct {
	Stream   StreamName
	Version  int64    // of the stream's last event of this append
	Position Position // of the same
	// Events as a reader will see them; empty if Duplicate. Data is as it was given. With Write.ReadBack it is what the codec makes of the stored
	// bytes: it shares no memory with what was given, and lacks what the codec does not keep.
	Events []Event
	// Duplicate: the stream has seen the write's command id, and nothing new was stored. Version and Position are those of the first time.
	Duplicate bool
}

// Append adds events to one stream, all or nothing. Errors: ErrConflict, ErrIndefinite, ErrNotRegistered, ErrCodec, ErrTooLarge, ErrInvalidName.
func (s *Store) Append(ctx context.Context, stream string, expected Expected, events ...any) (Appended, error) {
	done, err := s.AppendAll(ctx, Write{Stream: stream, Expected: expected, Events: events})
	if err != nil {
		return Appended{}, err
	}
	return done[0], nil
}

// AppendAll adds events to several streams of one shard, all or nothing, and on conditions if there are any: each part is a [Write], or a
// condition made by [Unless]. It answers for each write, in order. A topic that was created with one shard has room for any of its streams.
// The errors are those of Append, ErrShards (*commitlog.ShardsError), and of conditions ErrConditionFailed (*[ConditionError]), ErrQuery,
// ErrUnreachable and ErrOffsetOutOfRange.
//
// A write that names the version that it follows is stored once, however often it is repeated under the same ids. One that expects Any is not
// protected by that, and not by a condition either: repeated after ErrIndefinite it may fail because of its own events. So read on and decide again.
func (s *Store) AppendAll(ctx context.Context, given ...Part) ([]Appended, error) {
	var p parts
	for _, part := range given {
		part.addTo(&p)
	}
	if s.cfg.Observer == nil {
		return s.appendAll(ctx, &p)
	}
	ctx, done := s.cfg.Observer.AppendStart(ctx, s.appendInfo(p.writes))
	stored, err := s.appendAll(ctx, &p)
	done(appendResult(stored, err))
	return stored, err
}

func (s *Store) appendAll(ctx context.Context, p *parts) ([]Appended, error) {
	writes := p.writes
	if len(writes) == 0 {
		return nil, fmt.Errorf("%w: no write was given", ErrNothing)
	}
	conditions, conditionOf, err := s.conditions(p)
	if err != nil {
		return nil, err
	}
	outer := MetadataFrom(ctx)
	a := commitlog.Append{Writes: make([]commitlog.Write, len(writes)), Conditions: conditions}
	done := make([]Appended, len(writes))
	for i := range writes {
		w := &writes[i]
		metadata := outer.with(w.Metadata)
		records, events, err := s.encode(w, metadata)
		if err != nil {
			return nil, err
		}
		a.Writes[i] = commitlog.Write{Stream: w.Stream, Expected: w.Expected, CommandID: metadata.CommandID, Events: records}
		done[i] = Appended{Stream: StreamName(w.Stream), Events: events}
	}
	stored, err := s.log.Append(ctx, s.topic, a)
	if err != nil {
		return nil, s.ruledOut(err, p, conditionOf)
	}
	for i, w := range stored.Writes {
		d := &done[i]
		last := int64(w.Count - 1)
		d.Version = w.FirstVersion + last
		d.Position = s.positionOf(w.Partition, w.FirstOffset+last, w.Epoch)
		if stored.Duplicate && !s.same(ctx, d, w) {
			d.Duplicate, d.Events = true, nil
			continue
		}
		for j := range d.Events {
			e := &d.Events[j]
			e.Version, e.Time = w.FirstVersion+int64(j), stored.Time
			e.Position = s.positionOf(w.Partition, w.FirstOffset+int64(j), w.Epoch)
		}
	}
	return done, nil
}

// same says whether a duplicate is this very append, stored by an attempt whose answer was lost, rather than another one of its command.
func (s *Store) same(ctx context.Context, d *Appended, w commitlog.Written) bool {
	if w.Count != len(d.Events) {
		return false
	}
	for r, err := range s.log.Stream(ctx, s.topic, commitlog.StreamQuery{Stream: string(d.Stream), From: w.FirstVersion}) {
		if err != nil {
			return false
		}
		id, ok := header(r.Headers, wire.HeaderID)
		return ok && string(id) == string(d.Events[0].ID[:])
	}
	return false
}

// encode turns a write's events into records, and into what a reader will see but for what the log adds.
func (s *Store) encode(w *Write, m Metadata) ([]commitlog.NewRecord, []Event, error) {
	stream := StreamName(w.Stream)
	if err := stream.check(); err != nil {
		return nil, nil, err
	}
	switch {
	case !s.registry.categories[stream.Category()]:
		return nil, nil, &UnknownCategoryError{Stream: stream}
	case len(w.Events) == 0:
		return nil, nil, fmt.Errorf("%w: stream %q", ErrNothing, stream)
	}
	if err := checkIDs(stream, w.IDs, len(w.Events)); err != nil {
		return nil, nil, err
	}
	common := m.headers(nil)
	records := make([]commitlog.NewRecord, len(w.Events))
	events := make([]Event, len(w.Events))
	for i, data := range w.Events {
		wr, err := s.writer(stream, data)
		if err != nil {
			return nil, nil, err
		}
		value, seen, failed := wr.encode(data, w.ReadBack)
		if failed != nil {
			failed.Stream = stream
			return nil, nil, failed
		}
		if len(value) > wire.RecordBytesMax {
			return nil, nil, fmt.Errorf("event %q for stream %q: %w", wr.name, stream,
				&commitlog.TooLargeError{What: "value bytes", Size: len(value), Max: wire.RecordBytesMax})
		}
		id := idOf(w.IDs, i)
		m, surround := m, common
		if tagged, ok := data.(Tagged); ok {
			m = m.with(Metadata{Tags: tagged.Tags()})
			surround = m.headers(nil)
		}
		headers := wr.headers
		if len(surround) > 0 {
			headers = slices.Concat(headers, surround)
		}
		records[i] = commitlog.NewRecord{ID: id, Value: value, Headers: headers}
		events[i] = Event{ID: id, Stream: stream, Type: wr.name, Metadata: m, Data: seen}
	}
	return records, events, nil
}

func idOf(ids []uuid.UUID, i int) uuid.UUID {
	if len(ids) > 0 {
		return ids[i]
	}
	return eventid.New()
}

// checkIDs refuses ids that would not tell n events apart.
func checkIDs(stream StreamName, ids []uuid.UUID, n int) error {
	if len(ids) == 0 {
		return nil
	}
	if len(ids) != n {
		return &commitlog.InvalidError{Reason: fmt.Sprintf("stream %q: %d ids for %d events: give one for each, or none", stream, len(ids), n)}
	}
	seen := make(map[uuid.UUID]bool, n)
	for _, id := range ids {
		if id == uuid.Nil || seen[id] {
			return &commitlog.InvalidError{Reason: fmt.Sprintf("stream %q: event id %s is zero or given twice: each event needs its own", stream, id)}
		}
		seen[id] = true
	}
	return nil
}

// writer finds how an event of a stream is written.
func (s *Store) writer(stream StreamName, data any) (*writer, error) {
	t := reflect.TypeOf(data)
	refuse := func(format string, args ...any) (*writer, error) {
		return nil, &NotRegisteredError{Stream: stream, GoType: fmt.Sprint(t), Reason: fmt.Sprintf(format, args...)}
	}
	if t == nil {
		return refuse("it is nil")
	}
	w := s.registry.byType[t]
	switch {
	case w == nil && t.Kind() == reflect.Pointer && s.registry.byType[t.Elem()] != nil:
		return refuse("events are values: leave the & out")
	case w == nil && t.Kind() == reflect.Slice:
		return refuse("to append the events of a slice, spread it: events...")
	case w == nil:
		return refuse("no schema that the store was opened with has it: add it to the Events of category %q", stream.Category())
	case w.category != stream.Category():
		return refuse("it belongs to category %q", w.category)
	}
	return w, nil
}

func header(headers []commitlog.Header, key string) ([]byte, bool) {
	for i := range headers {
		if headers[i].Key == key {
			return headers[i].Value, true
		}
	}
	return nil, false
}
