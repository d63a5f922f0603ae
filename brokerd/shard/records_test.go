package shard

import (
	"testing"

	"github.com/strandlog/strand/internal/wire"
)

// A long stream, of which some records lie together and others far apart, in several files, is read whole and in order.
func TestLongScatteredStream(t *testing.T) {
	f := newFixture(t)
	version := 0
	for i := range 40 {
		f.mustAppend("s-0", wire.Expected(version), 1+i%20)
		version += 1 + i%20
		f.mustAppend("s-1", wire.Any, 60)
	}
	f.agree()
}
