package eventstore

import (
	"context"
	"encoding/json"
	"errors"
	"testing"

	"github.com/strandlog/strand/commitlog"
)

type deposited struct{ Amount int }

var deposits = Category{Name: "account", Events: map[string]any{"deposited": deposited{}}}

// aRecord is what the log holds of an event of deposits.
func aRecord(tb testing.TB) (*Store, commitlog.Record) {
	tb.Helper()
	log := NewMemory()
	store, err := Open(tb.Context(), log, Config{Partitions: 1}, deposits)
	if err != nil {
		tb.Fatal(err)
	}
	if _, err := store.Append(tb.Context(), "account-alice", NoStream, deposited{7}); err != nil {
		tb.Fatal(err)
	}
	for r, err := range log.Records(tb.Context(), store.topic, 0, commitlog.Range{}) {
		if err != nil {
			tb.Fatal(err)
		}
		return store, r
	}
	tb.Fatal("the record is not there")
	return nil, commitlog.Record{}
}

// Most records of a shared topic may belong to others: passing over them must cost nothing.
func TestPassingOverTakesNoMemory(t *testing.T) {
	store, r := aRecord(t)
	r.Key = []byte("a_category_with_a_rather_long_name-and a key that is rather long as well")
	got := testing.AllocsPerRun(100, func() {
		if _, wanted, err := store.decode(&r); wanted || err != nil {
			t.Errorf("wanted: %t, %v", wanted, err)
		}
	})
	if got != 0 {
		t.Errorf("%v allocations for a record of another category", got)
	}
}

// What decode adds to the codec's own cost is the name of the stream.
func TestDecodingTakesLittleMemory(t *testing.T) {
	store, r := aRecord(t)
	own := testing.AllocsPerRun(100, func() {
		var d deposited
		if err := json.Unmarshal(r.Value, &d); err != nil {
			t.Error(err)
		}
	})
	got := testing.AllocsPerRun(100, func() {
		if _, wanted, err := store.decode(&r); !wanted || err != nil {
			t.Errorf("wanted: %t, %v", wanted, err)
		}
	})
	if got > own+2 {
		t.Errorf("%v allocations, of which JSON takes %v", got, own)
	}
}

// A record that no sequencer has written is not an event with zeros in it.
func TestRecordWithoutEnvelope(t *testing.T) {
	for name, spoil := range map[string]func(*commitlog.Header){
		"no id":           func(h *commitlog.Header) { h.Key = renamed(h.Key, "id") },
		"no version":      func(h *commitlog.Header) { h.Key = renamed(h.Key, "v") },
		"a short id":      func(h *commitlog.Header) { h.Value = cut(h, "id") },
		"a short version": func(h *commitlog.Header) { h.Value = cut(h, "v") },
		"version 0":       func(h *commitlog.Header) { h.Value = zeroed(h, "v") },
	} {
		t.Run(name, func(t *testing.T) {
			store, r := aRecord(t)
			for i := range r.Headers {
				spoil(&r.Headers[i])
			}
			_, wanted, err := store.decode(&r)
			if !errors.Is(err, ErrDecode) || wanted {
				t.Errorf("wanted: %t, %v", wanted, err)
			}
		})
	}
}

func renamed(key, from string) string {
	if key == from {
		return "other"
	}
	return key
}

func cut(h *commitlog.Header, key string) []byte {
	if h.Key == key {
		return h.Value[1:]
	}
	return h.Value
}

func zeroed(h *commitlog.Header, key string) []byte {
	if h.Key == key {
		return make([]byte, len(h.Value))
	}
	return h.Value
}

func FuzzDecode(f *testing.F) {
	store, _ := aRecord(f)
	f.Add("account-alice", "id", []byte("0123456789abcdef"), "v", []byte{0, 0, 0, 0, 0, 0, 0, 1}, "type", []byte("account.deposited"), []byte(`{"Amount":1}`))
	f.Add("account-", "content", []byte("x"), "tag", []byte("y"), "user.", []byte{}, []byte{})
	f.Fuzz(func(t *testing.T, stream, k1 string, v1 []byte, k2 string, v2 []byte, k3 string, v3, value []byte) {
		r := commitlog.Record{Key: []byte(stream), Value: value, Headers: []commitlog.Header{{Key: k1, Value: v1}, {Key: k2, Value: v2}, {Key: k3, Value: v3}}}
		e, wanted, err := store.decode(&r)
		switch {
		case err != nil:
			if wanted || !errors.Is(err, ErrDecode) && !errors.Is(err, ErrUnknownType) || err.Error() == "" {
				t.Errorf("wanted: %t, %v", wanted, err)
			}
		case wanted && (e.Stream.Category() != "account" || e.Version < 1 || e.Type != "account.deposited"):
			t.Errorf("decoded %+v", e)
		}
	})
}

func BenchmarkDecode(b *testing.B) {
	store, r := aRecord(b)
	b.ReportAllocs()
	for b.Loop() {
		if _, _, err := store.decode(&r); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkAll(b *testing.B) {
	store, err := Open(b.Context(), NewMemory(), Config{}, deposits)
	if err != nil {
		b.Fatal(err)
	}
	const events = 10000
	for i := range events {
		if _, err := store.Append(b.Context(), deposits.Stream(string(rune('a'+i%26))), Any, deposited{i}); err != nil {
			b.Fatal(err)
		}
	}
	for name, replay := range map[string]func() error{
		"all":  func() error { return replayed(store.All(b.Context()), events) },
		"tail": func() error { return replayed(store.Tail(b.Context()), events) },
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if err := replay(); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(b.N)*events/b.Elapsed().Seconds(), "events/s")
		})
	}
}

// replayed takes n events of a sequence.
func replayed(events func(func(Event, error) bool), n int) error {
	for _, err := range events {
		if n--; err != nil || n == 0 {
			return err
		}
	}
	return context.Canceled
}
