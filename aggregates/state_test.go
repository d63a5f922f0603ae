package aggregates_test

import (
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/strandlog/strand/aggregates"
	"github.com/strandlog/strand/eventstore"
)

// Cart is a state that refers to memory.
type Cart struct {
	Lines map[string]int
	Notes []string
}

type CartEvent = aggregates.Event[Cart]

type (
	Added struct {
		Item string
		N    int
	}
	Noted struct {
		Notes []string
		draft string // the codec does not keep it
	}
)

func (e Added) Evolve(c *Cart) {
	if c.Lines == nil {
		c.Lines = map[string]int{}
	}
	c.Lines[e.Item] += e.N
}

// Evolve makes the event's slice the state's.
func (e Noted) Evolve(c *Cart) {
	c.Notes = e.Notes
	if e.draft != "" {
		c.Notes = append(c.Notes, e.draft)
	}
}

type Add struct {
	Item string
	N    int
}

func (c Add) Decide(Cart) ([]CartEvent, error) { return []CartEvent{Added(c)}, nil }

type DecideCart func(Cart) ([]CartEvent, error)

func (f DecideCart) Decide(c Cart) ([]CartEvent, error) { return f(c) }

func cloneCart(c Cart) Cart {
	return Cart{Lines: maps.Clone(c.Lines), Notes: slices.Clone(c.Notes)}
}

// cartTypes are the ways in which a type may say how its states are copied.
func cartTypes() map[string]aggregates.Type[Cart] {
	events := map[string]CartEvent{"added": Added{}, "noted": Noted{}}
	return map[string]aggregates.Type[Cart]{
		"Type.Clone": {Name: "cart", Events: events, Clone: cloneCart},
		"no Clone":   {Name: "cart", Events: events},
	}
}

// What a Decide or a caller does to memory that it got hold of must not reach the next handling.
func TestNothingThatOthersWriteReachesTheNextState(t *testing.T) {
	for name, typ := range cartTypes() {
		t.Run(name, func(t *testing.T) {
			carts, _ := open(t, eventstore.NewMemory(), typ)
			notes := []string{"first"}
			root := handle(t, carts, "c", DecideCart(func(Cart) ([]CartEvent, error) {
				return []CartEvent{Added{"tea", 1}, Noted{Notes: notes, draft: "lost"}}, nil
			}))
			want := Cart{Lines: map[string]int{"tea": 1}, Notes: []string{"first"}}
			if diff := cmp.Diff(want, root.State); diff != "" {
				t.Fatalf("state (-want +got):\n%s", diff)
			}

			spoil := func(c Cart) {
				c.Lines["tea"] = 1000
				c.Notes[0] = "spoiled"
			}
			notes[0] = "spoiled" // the command's memory
			spoil(root.State)    // the caller's
			noted, ok := root.Events[1].Data.(Noted)
			if !ok {
				t.Fatalf("event = %T", root.Events[1].Data)
			}
			noted.Notes[0] = "spoiled" // the recorded event's
			loaded := load(t, carts, "c")
			spoil(loaded.State)

			check := func(when string) {
				t.Helper()
				if diff := cmp.Diff(want, load(t, carts, "c").State); diff != "" {
					t.Errorf("after %s (-want +got):\n%s", when, diff)
				}
			}
			check("the caller wrote")
			if _, err := carts.Handle(t.Context(), "c", DecideCart(func(c Cart) ([]CartEvent, error) { spoil(c); return nil, nil })); err != nil {
				t.Fatal(err)
			}
			check("a Decide without events wrote")
			if _, err := carts.Handle(t.Context(), "c", DecideCart(func(c Cart) ([]CartEvent, error) { spoil(c); return nil, ErrTaken })); err == nil {
				t.Fatal("no error")
			}
			check("a Decide that refused wrote")
			if _, err := carts.Handle(t.Context(), "c", DecideCart(func(c Cart) ([]CartEvent, error) {
				spoil(c)
				return []CartEvent{Added{"tea", 1}}, nil
			})); err != nil {
				t.Fatal(err)
			}
			want.Lines["tea"] = 2
			check("a Decide with an event wrote")
		})
	}
}

// A Decide that writes is shown the unspoiled state again after a conflict, with and without clones.
func TestAWritingDecideDoesNotSpoilItsRetry(t *testing.T) {
	for name, typ := range cartTypes() {
		t.Run(name, func(t *testing.T) {
			here, store := open(t, eventstore.NewMemory(), typ)
			elsewhere := aggregates.NewRepository(store, typ)
			handle(t, here, "c", Add{"tea", 1})
			decided := 0
			root := handle(t, here, "c", DecideCart(func(c Cart) ([]CartEvent, error) {
				if decided++; decided == 1 {
					handle(t, elsewhere, "c", Add{"tea", 1}) // another process
				} else if c.Lines["tea"] != 2 {
					t.Errorf("decided on %d, want 2", c.Lines["tea"])
				}
				c.Lines["tea"] = 1000
				return []CartEvent{Added{"milk", 1}}, nil
			}))
			if decided != 2 || root.Version != 3 {
				t.Errorf("decided %d times to version %d, want 2 and 3", decided, root.Version)
			}
		})
	}
}

// Run with -race: callers and Decides write to their states while others handle and load the same key.
func TestStatesAreNotSharedBetweenGoroutines(t *testing.T) {
	for name, typ := range cartTypes() {
		t.Run(name, func(t *testing.T) {
			carts, _ := open(t, eventstore.NewMemory(), typ)
			handle(t, carts, "c", Add{"tea", 1})
			var all sync.WaitGroup
			for range 4 {
				all.Go(func() {
					for range 10 {
						root, err := carts.Handle(t.Context(), "c", DecideCart(func(c Cart) ([]CartEvent, error) {
							c.Lines["mine"]++
							return []CartEvent{Added{"tea", 1}, Noted{Notes: []string{"x"}}}, nil
						}))
						if err != nil {
							t.Error(err)
							return
						}
						root.State.Lines["mine"]++
						root.State.Notes[0] = "mine"
					}
				})
				all.Go(func() {
					for range 10 {
						root, err := carts.Load(t.Context(), "c")
						if err != nil {
							t.Error(err)
							return
						}
						root.State.Lines["mine"]++
					}
				})
			}
			all.Wait()
			want := Cart{Lines: map[string]int{"tea": 41}, Notes: []string{"x"}}
			if diff := cmp.Diff(want, load(t, carts, "c").State); diff != "" {
				t.Errorf("state (-want +got):\n%s", diff)
			}
		})
	}
}

func TestOnlyStatesThatCanBeClonedAreCached(t *testing.T) {
	types := cartTypes()
	for name, want := range map[string]int{"Type.Clone": 0, "no Clone": 1} {
		log := newFaultyLog()
		carts, _ := open(t, log, types[name])
		handle(t, carts, "c", Add{"tea", 1})
		if got := log.counted(func() { handle(t, carts, "c", Add{"tea", 1}) }); got.Reads != want {
			t.Errorf("%s: %d reads, want %d", name, got.Reads, want)
		}
	}
}

// What the cache holds is what a reader will fold, not what Decide had in its hands.
func TestTheCachedStateIsThatOfTheStoredEvents(t *testing.T) {
	typ := cartTypes()["Type.Clone"]
	carts, store := open(t, eventstore.NewMemory(), typ)
	root := handle(t, carts, "c", DecideCart(func(Cart) ([]CartEvent, error) {
		return []CartEvent{Noted{Notes: []string{strings.Repeat("x", 3)}, draft: "not stored"}}, nil
	}))
	fresh := load(t, aggregates.NewRepository(store, typ), "c")
	if diff := cmp.Diff(fresh.State, root.State); diff != "" {
		t.Errorf("state (-stored +returned):\n%s", diff)
	}
	if diff := cmp.Diff(fresh.State, load(t, carts, "c").State); diff != "" {
		t.Errorf("state (-stored +cached):\n%s", diff)
	}
}
