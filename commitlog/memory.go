package commitlog

import (
	"context"
	"math/bits"
	"sync"

	"golang.org/x/sync/semaphore"
)

// memory hands out the memory in which a producer builds its batches, out of a fixed budget. Slices have a power of two of bytes, or the size of a
// full batch, so that they can be used again; only a record that is larger than a batch has one that is not.
type memory struct {
	bytesMax int64
	batchMax int
	budget   *semaphore.Weighted
	classes  [32]sync.Pool // of *[]byte, by the binary logarithm of their capacity, rounded up
	holders  sync.Pool     // of empty *[]byte
}

// memoryMin is the least that is handed out.
const memoryMin = 4 << 10

func newMemory(bytesMax, batchMax int) *memory {
	return &memory{bytesMax: int64(bytesMax), batchMax: batchMax, budget: semaphore.NewWeighted(int64(bytesMax))}
}

// size is what is handed out for n bytes.
func (m *memory) size(n int) int {
	if n > m.batchMax {
		return n
	}
	return min(max(1<<bits.Len(uint(n-1)), memoryMin), m.batchMax)
}

// tryTake takes size bytes out of the budget if it can do so at once and nobody waits for any.
func (m *memory) tryTake(size int) bool { return m.budget.TryAcquire(int64(size)) }

// take waits for size bytes.
func (m *memory) take(ctx context.Context, size int) error { return m.budget.Acquire(ctx, int64(size)) }

// give returns size bytes to the budget.
func (m *memory) give(size int) { m.budget.Release(int64(size)) }

// slice returns memory of a size that was taken.
func (m *memory) slice(size int) []byte {
	if size <= m.batchMax {
		if held, ok := m.classes[bits.Len(uint(size-1))].Get().(*[]byte); ok {
			s := *held
			*held = nil
			m.holders.Put(held)
			if cap(s) >= size {
				return s
			}
		}
	}
	return make([]byte, 0, size)
}

// reuse keeps a slice for whoever takes one of its size next.
func (m *memory) reuse(s []byte) {
	if cap(s) == 0 || cap(s) > m.batchMax {
		return
	}
	held, ok := m.holders.Get().(*[]byte)
	if !ok {
		held = new([]byte)
	}
	*held = s[:0]
	m.classes[bits.Len(uint(cap(s)-1))].Put(held)
}
