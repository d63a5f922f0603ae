package commitlog

import (
	"math"
	"math/rand/v2"

	"github.com/strandlog/strand/internal/wire"
)

// numbering gives appends their sequences, under the producer id that it made up. The broker remembers the answers to the newest wire.SequencesKept.
type numbering struct {
	id   uint64
	last uint64 // newest sequence
}

func newNumbering() *numbering { return &numbering{id: 1 + rand.Uint64N(math.MaxUint64)} }

// admits reports whether another sequence would leave oldest, the oldest without an outcome (0: none), in the broker's memory.
func (n *numbering) admits(oldest uint64) bool {
	return oldest == 0 || n.last+1-oldest < wire.SequencesKept
}

func (n *numbering) next() uint64 {
	n.last++
	return n.last
}
