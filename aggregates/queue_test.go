package aggregates

import (
	"context"
	"errors"
	"slices"
	"testing"
	"testing/synctest"
)

func TestQueueServesInOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var q queue
		leave, err := q.enter(t.Context(), "a")
		if err != nil {
			t.Fatal(err)
		}
		var order []int // written by whose turn it is
		for i := range 5 {
			go func() {
				leave, err := q.enter(t.Context(), "a")
				if err != nil {
					t.Error(err)
					return
				}
				order = append(order, i)
				leave()
			}()
			synctest.Wait() // i stands in the queue
		}
		if len(order) != 0 {
			t.Fatalf("%v went in before their turn", order)
		}
		leave()
		synctest.Wait()
		if want := []int{0, 1, 2, 3, 4}; !slices.Equal(order, want) {
			t.Errorf("order %v, want %v", order, want)
		}
		if len(q.keys) != 0 {
			t.Errorf("%d keys are held with nobody there", len(q.keys))
		}
	})
}

func TestQueueIsLeftWithTheContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var q queue
		leave, err := q.enter(t.Context(), "a")
		if err != nil {
			t.Fatal(err)
		}
		gone := errors.New("the client hung up")
		ctx, cancel := context.WithCancelCause(t.Context())
		waiting := make(chan error)
		go func() {
			_, err := q.enter(ctx, "a")
			waiting <- err
		}()
		synctest.Wait()
		cancel(gone)
		if err := <-waiting; !errors.Is(err, gone) {
			t.Errorf("error = %v, want %v", err, gone)
		}
		leave()
		again, err := q.enter(t.Context(), "a")
		if err != nil {
			t.Fatal(err)
		}
		again()
		if len(q.keys) != 0 {
			t.Errorf("%d keys are held with nobody there", len(q.keys))
		}
	})
}
