package main

import (
	"context"
	"errors"
	"sync"
)

// fanOutMax is how many questions are asked of a node at a time.
const fanOutMax = 16

// fanOut runs work for 0 to n-1, several at a time. The first error ends it.
func fanOut(ctx context.Context, n int, work func(ctx context.Context, i int) error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	indices := make(chan int)
	var workers sync.WaitGroup
	for range min(n, fanOutMax) {
		workers.Go(func() {
			for i := range indices {
				if err := work(ctx, i); err != nil {
					cancel(err)
					return
				}
			}
		})
	}
hand:
	for i := range n {
		select {
		case indices <- i:
		case <-ctx.Done():
			break hand
		}
	}
	close(indices)
	workers.Wait()
	if err := context.Cause(ctx); err != nil && !errors.Is(err, context.Canceled) {
		return err
	}
	return ctx.Err()
}
