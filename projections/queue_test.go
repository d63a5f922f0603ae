package projections

import (
	"context"
	"errors"
	"io"
	"testing"
	"testing/synctest"
	"time"
)

func deliver(next int64, size int) delivery {
	return delivery{mark: Mark{Next: next}, size: size, handled: true}
}

func marks(batch []delivery) []int64 {
	var marks []int64
	for _, d := range batch {
		marks = append(marks, d.mark.Next)
	}
	return marks
}

func TestQueueIsBounded(t *testing.T) {
	for _, test := range []struct {
		name               string
		countMax, bytesMax int
		sizes              []int
		fit                int
	}{
		{"by count", 3, 1000, []int{1, 1, 1, 1, 1}, 3},
		{"by bytes", 10, 100, []int{60, 40, 1, 1}, 2},
		{"a large one passes alone", 10, 100, []int{500, 1}, 1},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				q := newQueue(test.countMax, test.bytesMax)
				put := 0
				go func() {
					for i, size := range test.sizes {
						if err := q.put(t.Context(), deliver(int64(i+1), size)); err != nil {
							t.Error(err)
						}
						put++
					}
					q.end(io.EOF)
				}()
				synctest.Wait()
				if put != test.fit {
					t.Errorf("%d deliveries found room, want %d", put, test.fit)
				}
				var got []delivery
				for {
					batch, err := q.take(t.Context(), nil, 1, 1)
					if err != nil {
						if !errors.Is(err, io.EOF) {
							t.Error(err)
						}
						break
					}
					got = append(got, batch...)
				}
				for i, next := range marks(got) {
					if next != int64(i+1) {
						t.Errorf("the deliveries came as %v", marks(got))
					}
				}
				if len(got) != len(test.sizes) {
					t.Errorf("%d deliveries came, want %d", len(got), len(test.sizes))
				}
			})
		})
	}
}

func TestQueueTakesBatches(t *testing.T) {
	q := newQueue(10, 1000)
	for i, size := range []int{10, 10, 80, 200, 5} {
		if err := q.put(t.Context(), deliver(int64(i+1), size)); err != nil {
			t.Fatal(err)
		}
	}
	for _, want := range []int{3, 1, 1} { // up to 100 bytes, the large one alone, the rest
		batch, err := q.take(t.Context(), nil, 10, 100)
		if err != nil || len(batch) != want {
			t.Errorf("took %v, %v, want %d deliveries", marks(batch), err, want)
		}
	}
}

func TestQueueKeepsOnlyTheLastOfWhatNobodyHandles(t *testing.T) {
	q := newQueue(3, 1000)
	for i := range int64(50) {
		if err := q.put(t.Context(), delivery{mark: Mark{Next: i + 1}, handled: i == 20}); err != nil {
			t.Fatal(err)
		}
	}
	batch, err := q.take(t.Context(), nil, 10, 100)
	if got := marks(batch); err != nil || len(got) != 3 || got[0] != 20 || got[1] != 21 || got[2] != 50 {
		t.Errorf("took %v, %v, want [20 21 50]", got, err)
	}
}

func TestQueueEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := newQueue(1, 1)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := q.take(ctx, nil, 1, 1); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("take: %v", err)
		}
		if err := q.put(t.Context(), deliver(1, 1)); err != nil {
			t.Fatal(err)
		}
		if err := q.put(ctx, deliver(2, 1)); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("put: %v", err)
		}
		if _, err := q.take(ctx, nil, 1, 1); err == nil {
			t.Error("a take after the stop gave another batch")
		}
	})
}
