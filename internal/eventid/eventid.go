// Package eventid draws the ids of events: UUIDs of version 7, which grow with time.
//
//	id := eventid.New()
//
// # Ordering
//
// Ids of one process that are drawn a quarter of a microsecond apart or more sort by the time at which they were drawn, as far as its clock goes forward.
//
// # Concurrency
//
// New may be called from many goroutines, which do not wait for each other.
package eventid

import (
	"encoding/binary"
	"math/rand/v2"
	"time"

	"github.com/google/uuid"
)

// New draws an id. Its 62 random bits come from the runtime's ChaCha8 generators, which the system seeds and which every thread has for itself: an id
// must be unique, and need not be secret. uuid.NewV7 asks the system each time, which costs an append a call of the kernel and a lock for each event.
func New() uuid.UUID { return at(time.Now(), rand.Uint64()) } //nolint:gosec // unique, not secret

// at lays out an id: 48 bits of milliseconds, the version, 12 bits of what is left of the millisecond, the variant, 62 random bits.
func at(t time.Time, random uint64) (id uuid.UUID) {
	const version, variant = 7 << 12, 2 << 62
	nanos := t.UnixNano()
	milli, rest := uint64(nanos/1e6), uint64(nanos%1e6)
	binary.BigEndian.PutUint64(id[:8], milli<<16|version|rest<<12/1e6)
	binary.BigEndian.PutUint64(id[8:], variant|random>>2)
	return id
}
