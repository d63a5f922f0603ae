package broker_test

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"sync"
	"testing"

	"github.com/strandlog/strand/brokerd/broker"
	"github.com/strandlog/strand/commitlog"
)

// TestUpdate writes keys of a table on conditions: all or none.
func TestUpdate(t *testing.T) {
	client := start(t, broker.Config{}).Client()
	topic, err := client.CreateTopic(t.Context(), commitlog.TopicConfig{Name: "prices", Kind: commitlog.Table, Partitions: 4})
	if err != nil {
		t.Fatal(err)
	}
	u, err := client.Updater(topic)
	if err != nil {
		t.Fatal(err)
	}
	a, b := []byte("{x}/a"), []byte("{x}/b")
	first, err := u.Update(t.Context(), commitlog.Update{Key: a, Value: []byte("1"), Newest: commitlog.NoRecord}, commitlog.Update{Key: b, Value: []byte("1"), Newest: commitlog.AnyRecord})
	if err != nil {
		t.Fatal(err)
	}
	for name, updates := range map[string][]commitlog.Update{
		"there is one":        {{Key: a, Value: []byte("2"), Newest: commitlog.NoRecord}},
		"it is another one":   {{Key: a, Value: []byte("2"), Newest: first[1]}},
		"one of two is other": {{Key: b, Value: []byte("2"), Newest: commitlog.AnyRecord}, {Key: a, Value: []byte("2"), Newest: first[0] + 7}},
	} {
		if _, err := u.Update(t.Context(), updates...); !errors.Is(err, commitlog.ErrConflict) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, key := range [][]byte{a, b} {
		if r, ok, err := client.Get(t.Context(), topic, key); err != nil || !ok || string(r.Value) != "1" {
			t.Errorf("%s is %q, %t, %v after updates that were refused", key, r.Value, ok, err)
		}
	}
	deleted, err := u.Update(t.Context(), commitlog.Update{Key: a, Newest: first[0]})
	if err != nil {
		t.Fatal(err)
	}
	r, ok, err := client.Get(t.Context(), topic, a)
	if err != nil || ok || r.Offset != deleted[0] {
		t.Fatalf("a deleted key is %+v, %t, %v, want offset %d", r, ok, err, deleted[0])
	}
	if _, err := u.Update(t.Context(), commitlog.Update{Key: a, Value: []byte("3"), Newest: r.Offset}); err != nil {
		t.Errorf("writing a deleted key again: %v", err)
	}
	if _, err := u.Update(t.Context(), commitlog.Update{Key: []byte("elsewhere")}, commitlog.Update{Key: []byte("{y}/somewhere")}, commitlog.Update{Key: []byte("third")}); !errors.Is(err, commitlog.ErrInvalid) {
		t.Errorf("keys of several partitions: %v", err)
	}
}

// TestUpdateUnchanged writes a key only while another one is as it was.
func TestUpdateUnchanged(t *testing.T) {
	client := start(t, broker.Config{}).Client()
	topic, err := client.CreateTopic(t.Context(), commitlog.TopicConfig{Name: "prices", Kind: commitlog.Table, Partitions: 4})
	if err != nil {
		t.Fatal(err)
	}
	u, err := client.Updater(topic)
	if err != nil {
		t.Fatal(err)
	}
	guard, key := []byte("{x}/guard"), []byte("{x}/a")
	write := func(value string, guardAt int64) ([]int64, error) {
		return u.Update(t.Context(), commitlog.Update{Key: guard, Newest: guardAt, Unchanged: true}, commitlog.Update{Key: key, Value: []byte(value), Newest: commitlog.AnyRecord})
	}
	if _, err := write("1", commitlog.NoRecord); err != nil {
		t.Fatal(err)
	}
	at, err := u.Update(t.Context(), commitlog.Update{Key: guard, Value: []byte("on"), Newest: commitlog.NoRecord})
	if err != nil {
		t.Fatal(err)
	}
	for _, guardAt := range []int64{commitlog.NoRecord, at[0] + 1} {
		if _, err := write("refused", guardAt); !errors.Is(err, commitlog.ErrConflict) {
			t.Errorf("the guard is at %d, and a write that has it at %d ends with %v", at[0], guardAt, err)
		}
	}
	offsets, err := write("2", at[0])
	if err != nil || offsets[0] != at[0] || offsets[1] != at[0]+1 {
		t.Fatalf("written at %v, %v: want the guard at %d, and the key behind it", offsets, err, at[0])
	}
	if r, ok, err := client.Get(t.Context(), topic, guard, commitlog.Strict()); err != nil || !ok || r.Offset != at[0] || string(r.Value) != "on" {
		t.Errorf("the guard is %+v, %t, %v", r, ok, err)
	}
	for name, updates := range map[string][]commitlog.Update{
		"nothing to write": {{Key: guard, Newest: at[0], Unchanged: true}},
		"no offset":        {{Key: guard, Newest: commitlog.AnyRecord, Unchanged: true}, {Key: key}},
		"a value":          {{Key: guard, Value: []byte("v"), Newest: at[0], Unchanged: true}, {Key: key}},
		"elsewhere":        {{Key: []byte("{y}/elsewhere"), Newest: commitlog.NoRecord, Unchanged: true}, {Key: key}},
		"too many":         append(slices.Repeat([]commitlog.Update{{Key: guard, Newest: at[0], Unchanged: true}}, 65), commitlog.Update{Key: key}),
	} {
		if _, err := u.Update(t.Context(), updates...); !errors.Is(err, commitlog.ErrInvalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
	// A batch holds as much as is possible, and names as many keys.
	guards := slices.Repeat([]commitlog.Update{{Key: guard, Newest: at[0], Unchanged: true}}, 64)
	large := append(guards, commitlog.Update{Key: key, Value: make([]byte, 1<<20), Newest: commitlog.AnyRecord}, commitlog.Update{Key: key, Value: make([]byte, 1<<20), Newest: commitlog.AnyRecord},
		commitlog.Update{Key: key, Value: make([]byte, 1<<20), Newest: commitlog.AnyRecord}, commitlog.Update{Key: key, Value: make([]byte, 1<<20-1000), Newest: commitlog.AnyRecord})
	if _, err := u.Update(t.Context(), large...); !errors.Is(err, commitlog.ErrAppendTooLarge) {
		t.Errorf("more than an append takes: %v", err)
	}
}

// TestUpdatesCount has many writers count one key up, each on the condition that it has seen the newest count, while the table is cleaned.
func TestUpdatesCount(t *testing.T) {
	client := start(t, broker.Config{}).Client()
	topic, err := client.CreateTopic(t.Context(), commitlog.TopicConfig{Name: "counts", Kind: commitlog.Table, Partitions: 1})
	if err != nil {
		t.Fatal(err)
	}
	const writers, each = 8, 50
	key := []byte("n")
	var group sync.WaitGroup
	for range writers {
		group.Go(func() {
			u, err := client.Updater(topic)
			for done := 0; done < each && err == nil; {
				var r commitlog.Record
				if r, _, err = client.Get(t.Context(), topic, key); err != nil {
					break
				}
				n, _ := strconv.Atoi(string(r.Value)) // none is 0
				_, err = u.Update(t.Context(), commitlog.Update{Key: key, Value: fmt.Append(nil, n+1), Newest: r.Offset})
				if errors.Is(err, commitlog.ErrConflict) {
					err = nil
					continue
				}
				done++
			}
			if err != nil {
				t.Error(err)
			}
		})
	}
	group.Wait()
	if r, _, err := client.Get(t.Context(), topic, key); err != nil || string(r.Value) != strconv.Itoa(writers*each) {
		t.Errorf("the count is %q, %v, want %d", r.Value, err, writers*each)
	}
}
