package index

import (
	"sync/atomic"
	"unsafe"
)

const chunkLen = 1 << 10

// chunks is a growing array whose elements never move. One goroutine grows it; others read the elements whose numbers they learned from it.
type chunks[T any] struct {
	list atomic.Pointer[[]*[chunkLen]T]
	n    int // the writer's
}

func (c *chunks[T]) len() int { return c.n }

// grow adds a zero element, to be filled in before its number is given away.
func (c *chunks[T]) grow() (uint32, *T) {
	var list []*[chunkLen]T
	if p := c.list.Load(); p != nil {
		list = *p
	}
	if c.n == len(list)*chunkLen {
		list = publish(&c.list, list, new([chunkLen]T))
	}
	i := c.n
	c.n++
	return uint32(i), &list[i/chunkLen][i%chunkLen]
}

func (c *chunks[T]) at(i uint32) *T { return &(*c.list.Load())[i/chunkLen][i%chunkLen] }

func (c *chunks[T]) bytes() int {
	p := c.list.Load()
	if p == nil {
		return 0
	}
	return len(*p) * int(unsafe.Sizeof([chunkLen]T{}))
}

// publish lets readers see a list with one more chunk. Those who hold a shorter view of the same array do not look at what is appended.
func publish[C any](to *atomic.Pointer[[]*C], list []*C, chunk *C) []*C {
	longer := append(list, chunk)
	to.Store(&longer)
	return longer
}
