package aggregates_test

import (
	"errors"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/strandlog/strand/aggregates"
	"github.com/strandlog/strand/commitlog"
	"github.com/strandlog/strand/eventstore"
)

// Whatever two processes with caches did to a few aggregates, on a log that conflicts, loses answers and lags: the state at each
// version, by whatever path, is the fold of the events that it stands on; and every command took effect exactly as it was answered.
func TestAnyStateIsTheFoldOfItsEvents(t *testing.T) {
	types := cartTypes()
	rapid.Check(t, func(rt *rapid.T) {
		typ := types[rapid.SampledFrom([]string{"Type.Clone", "no Clone"}).Draw(rt, "type")]
		log := newFaultyLog()
		store, err := eventstore.Open(t.Context(), log, eventstore.Config{Partitions: 2}, typ)
		if err != nil {
			rt.Fatal(err)
		}
		keys := rapid.SampledFrom([]string{"a", "b", "c"})
		processes := make([]*aggregates.Repository[Cart], 2)
		for i := range processes {
			size := rapid.SampledFrom([]int{-1, 1, 2, 100}).Draw(rt, "cache entries")
			processes[i] = aggregates.NewRepository(store, typ, aggregates.RepositoryConfig{CacheEntriesMax: size})
		}
		versions := map[string]int64{} // what the answers amount to
		unknown := map[string]bool{}   // keys with an outcome that was indefinite

		for range rapid.IntRange(1, 30).Draw(rt, "steps") {
			process, key := rapid.SampledFrom(processes).Draw(rt, "process"), keys.Draw(rt, "key")
			log.append, log.behind = nil, rapid.SampledFrom([]int64{0, 0, 1, 3}).Draw(rt, "behind")
			switch rapid.SampledFrom([]string{"nothing", "nothing", "conflict", "lost answer", "lost request"}).Draw(rt, "fault") {
			case "conflict":
				log.append = func(a commitlog.Append, _ func() (commitlog.Appended, error)) (commitlog.Appended, error) {
					log.append = nil
					return commitlog.Appended{}, &commitlog.ConflictError{Stream: a.Writes[0].Stream}
				}
			case "lost answer":
				log.append = func(a commitlog.Append, next func() (commitlog.Appended, error)) (commitlog.Appended, error) {
					if _, err := next(); err != nil {
						return commitlog.Appended{}, err
					}
					return commitlog.Appended{}, &commitlog.IndefiniteError{Stream: a.Writes[0].Stream}
				}
			case "lost request":
				log.append = func(a commitlog.Append, _ func() (commitlog.Appended, error)) (commitlog.Appended, error) {
					return commitlog.Appended{}, &commitlog.IndefiniteError{Stream: a.Writes[0].Stream}
				}
			}
			cmd := takeAtMost{Item: rapid.SampledFrom([]string{"tea", "milk"}).Draw(rt, "item"), Max: 3}
			root, err := process.Handle(t.Context(), key, cmd)
			switch {
			case err == nil:
				versions[key] += int64(len(root.Events))
			case errors.Is(err, eventstore.ErrIndefinite):
				unknown[key] = true
			case errors.Is(err, errFull):
				if root.State.Lines[cmd.Item] < cmd.Max {
					rt.Fatalf("refused with %d", root.State.Lines[cmd.Item])
				}
			default:
				rt.Fatal(err)
			}
		}

		log.append, log.behind = nil, 0
		for _, key := range []string{"a", "b", "c"} {
			folds := foldEach(stored(t, store, typ.Stream(key)))
			if end := int64(len(folds) - 1); !unknown[key] && end != versions[key] {
				rt.Fatalf("%s is at version %d, and its answers say %d", key, end, versions[key])
			}
			for _, process := range slices.Concat(processes, []*aggregates.Repository[Cart]{aggregates.NewRepository(store, typ)}) {
				for version, want := range folds {
					root := load(t, process, key, aggregates.AtVersion(int64(version)))
					if diff := cmp.Diff(want, root.State); diff != "" || root.Version != int64(version) {
						rt.Fatalf("%s at version %d (-fold +loaded):\n%s", key, version, diff)
					}
				}
				if diff := cmp.Diff(folds[len(folds)-1], load(t, process, key).State); diff != "" {
					rt.Fatalf("%s (-fold +loaded):\n%s", key, diff)
				}
			}
		}
	})
}

var errFull = errors.New("full")

// takeAtMost adds one of an item, and a note, until there are Max.
type takeAtMost struct {
	Item string
	Max  int
}

func (c takeAtMost) Decide(cart Cart) ([]CartEvent, error) {
	if cart.Lines[c.Item] >= c.Max {
		return nil, errFull
	}
	return []CartEvent{Added{c.Item, 1}, Noted{Notes: append(cart.Notes, c.Item)}}, nil
}

// foldEach returns the state after each version, from 0 on.
func foldEach(events []eventstore.Event) []Cart {
	folds := []Cart{{}}
	var state Cart
	for _, e := range events {
		switch data := e.Data.(type) {
		case Added:
			data.Evolve(&state)
		case Noted:
			data.Evolve(&state)
		}
		folds = append(folds, cloneCart(state))
	}
	return folds
}
