package commitlog

import (
	"math"
	"math/rand/v2"

	"github.com/strandlog/strand/internal/wire"
)

// producer numbers appends. The broker remembers the answers to its newest wire.SequencesKept sequences.
type producer struct {
	id   uint64
	last uint64 // newest sequence
}

func newProducer() *producer { return &producer{id: 1 + rand.Uint64N(math.MaxUint64)} }

// admits reports whether another sequence would leave oldest, the oldest without an outcome (0: none), in the broker's memory.
func (p *producer) admits(oldest uint64) bool {
	return oldest == 0 || p.last+1-oldest < wire.SequencesKept
}

func (p *producer) next() uint64 {
	p.last++
	return p.last
}
