package postgres_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/strandlog/strand/commitlog"
	"github.com/strandlog/strand/eventstore"
)

// writers append events all the time, and count what they are told of them.
type writers struct {
	store   *eventstore.Store
	cancel  context.CancelFunc
	running sync.WaitGroup

	mu       sync.Mutex
	next     int64
	stored   map[int64]string // ID → key of what was acknowledged
	unknown  map[int64]bool   // nobody knows of
	failures map[string]int
	waiting  chan struct{} // closed at the next acknowledgement; nil: nobody waits
}

func newWriters(store *eventstore.Store) *writers {
	return &writers{store: store, stored: map[int64]string{}, unknown: map[int64]bool{}, failures: map[string]int{}}
}

// start begins with so many writers, each of which appends an event every few milliseconds.
func (w *writers) start(t *testing.T, n int) {
	ctx, cancel := context.WithCancel(t.Context())
	w.cancel = cancel
	for range n {
		w.running.Go(func() {
			pace := time.NewTicker(20 * time.Millisecond)
			defer pace.Stop()
			for ctx.Err() == nil {
				w.write(ctx)
				<-pace.C
			}
		})
	}
}

func (w *writers) stop() {
	w.cancel()
	w.running.Wait()
}

func (w *writers) write(ctx context.Context) {
	w.mu.Lock()
	w.next++
	e := added{ID: w.next, N: 1 + rand.Int64N(1000)}
	w.mu.Unlock()
	if e.ID%20 == 0 {
		e.Colour = []string{"red", "green", "blue"}[rand.IntN(3)]
	}
	key := fmt.Sprintf("k%d", rand.IntN(keys))
	_, err := w.store.Append(ctx, tallies.Stream(key), eventstore.Any, e)
	w.mu.Lock()
	defer w.mu.Unlock()
	switch {
	case err == nil:
		w.stored[e.ID] = key
		if w.waiting != nil {
			close(w.waiting)
			w.waiting = nil
		}
	case errors.Is(err, commitlog.ErrIndefinite):
		w.unknown[e.ID] = true
	case ctx.Err() == nil: // it was refused
		w.failures[err.Error()]++
	}
}

// acknowledged is closed when the next event is.
func (w *writers) acknowledged() <-chan struct{} {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.waiting == nil {
		w.waiting = make(chan struct{})
	}
	return w.waiting
}
