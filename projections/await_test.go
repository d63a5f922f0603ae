package projections_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/uuid"

	"github.com/strandlog/strand/eventstore"
	"github.com/strandlog/strand/projections"
)

func TestAwaitReadsYourOwnWrites(t *testing.T) {
	store, memory := openStore(t, 3), projections.NewMemory[balance]()
	stop := start(t, store, balances(), memory)
	var writers sync.WaitGroup
	for writer := range 8 {
		writers.Go(func() {
			key, sum := fmt.Sprint("w", writer), int64(0)
			for amount := range int64(20) {
				at := appendTo(t, store, key, deposited{amount})
				sum += amount
				if err := projections.Await(t.Context(), balances(), memory, at); err != nil {
					t.Error(err)
				}
				if row, _ := memory.Get(key); row.Amount != sum {
					t.Errorf("%s reads %d after writing %d", key, row.Amount, sum)
				}
			}
		})
	}
	writers.Wait()
	if err := stop(); err != nil {
		t.Fatal(err)
	}
}

func TestAwaitSeveralPositionsAndCursors(t *testing.T) {
	store, memory := openStore(t, 4), projections.NewMemory[balance]()
	var at []eventstore.Position
	for i := range 20 {
		at = append(at, appendTo(t, store, fmt.Sprint("k", i), deposited{1}))
	}
	stop := start(t, store, balances(), memory)
	if err := projections.Await(t.Context(), balances(), memory, at...); err != nil {
		t.Fatal(err)
	}
	if got := len(amounts(memory)); got != 20 {
		t.Errorf("%d rows, want 20", got)
	}
	for i := range 20 {
		appendTo(t, store, fmt.Sprint("k", i), deposited{1})
	}
	end, err := store.End(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := projections.AwaitCursor(t.Context(), balances(), memory, end); err != nil {
		t.Fatal(err)
	}
	for key, amount := range amounts(memory) {
		if amount != 2 {
			t.Errorf("%s has %d, want 2", key, amount)
		}
	}
	end.TopicID = uuid.UUID{1}
	if err := projections.AwaitCursor(t.Context(), balances(), memory, end); !errors.Is(err, projections.ErrUnreachable) {
		t.Errorf("a cursor of a topic that was created again: got %v, want ErrUnreachable", err)
	}
	if err := stop(); err != nil {
		t.Fatal(err)
	}
}

func TestAwaitOfNothing(t *testing.T) {
	memory := projections.NewMemory[balance]()
	if err := projections.Await(t.Context(), balances(), memory, eventstore.Position{}); err != nil {
		t.Errorf("a zero position: %v", err)
	}
	if err := projections.Await(t.Context(), balances(), memory); err != nil {
		t.Errorf("no position: %v", err)
	}
}

func TestAwaitOfWhatNeverComes(t *testing.T) {
	store, memory := openStore(t, 1), projections.NewMemory[balance]()
	at := appendTo(t, store, "alice", deposited{1})
	if err := projections.CatchUp(t.Context(), store, balances(), memory); err != nil {
		t.Fatal(err)
	}
	for name, change := range map[string]func(*eventstore.Position){
		"another topic":         func(p *eventstore.Position) { p.Topic = "orders" },
		"a topic created again": func(p *eventstore.Position) { p.TopicID = uuid.UUID{1} },
		"a partition too many":  func(p *eventstore.Position) { p.Partition = 1 },
		"a partition below 0":   func(p *eventstore.Position) { p.Partition = -1 },
	} {
		wrong := at
		change(&wrong)
		err := projections.Await(t.Context(), balances(), memory, at, wrong)
		if _, ok := errors.AsType[*eventstore.UnreachableError](err); !ok || !errors.Is(err, projections.ErrUnreachable) {
			t.Errorf("%s: got %v, want ErrUnreachable", name, err)
		}
	}
}

// Await may come before the worker. It learns at the first claim that it waits in vain.
func TestAwaitBeforeTheWorker(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store, memory := openStore(t, 1), projections.NewMemory[balance]()
		at := appendTo(t, store, "alice", deposited{1})
		wrong := at
		wrong.Topic = "orders"
		right, unreachable := make(chan error, 1), make(chan error, 1)
		go func() { right <- projections.Await(t.Context(), balances(), memory, at) }()
		go func() { unreachable <- projections.Await(t.Context(), balances(), memory, wrong) }()
		synctest.Wait()
		stop := start(t, store, balances(), memory)
		if err := <-right; err != nil {
			t.Error(err)
		}
		if err := <-unreachable; !errors.Is(err, projections.ErrUnreachable) {
			t.Errorf("got %v, want ErrUnreachable", err)
		}
		if err := stop(); err != nil {
			t.Error(err)
		}
	})
}

func TestAwaitEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store, memory := openStore(t, 1), projections.NewMemory[balance]()
		at := appendTo(t, store, "alice", deposited{1})
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if err := projections.Await(ctx, balances(), memory, at); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v, want DeadlineExceeded", err)
		}
	})
}

func TestLag(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store, memory := openStore(t, 2), projections.NewMemory[balance]()
		want := func(want projections.Behind) {
			t.Helper()
			got, err := projections.Lag(t.Context(), store, balances(), memory)
			if err != nil || got != want {
				t.Errorf("the lag is %+v, %v, want %+v", got, err, want)
			}
		}
		want(projections.Behind{})
		for i := range 10 {
			appendTo(t, store, fmt.Sprint("k", i), deposited{1})
			<-time.After(time.Second)
		}
		want(projections.Behind{Events: 10, Time: 10 * time.Second})
		if err := projections.CatchUp(t.Context(), store, balances(), memory); err != nil {
			t.Fatal(err)
		}
		want(projections.Behind{})
		appendTo(t, store, "alice", noted{}, noted{})
		<-time.After(3 * time.Second)
		want(projections.Behind{Events: 2, Time: 3 * time.Second})
	})
}
