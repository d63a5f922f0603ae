package shard

import (
	"fmt"

	"github.com/strandlog/strand/brokerd/index"
)

// Versions checks that the versions of streams count from 1 without a gap, in bounded memory: of streams beyond that some records are only counted.
type Versions struct {
	Unchecked int64 // records whose version could not be judged

	heads *index.Heads
}

// NewVersions remembers the versions of so many streams at once.
func NewVersions(streamsMax int) *Versions { return &Versions{heads: index.NewHeads(streamsMax)} }

// Next takes the next record of a partition.
func (v *Versions) Next(partition int32, stream string, version int64) error {
	last, known := v.heads.Get(partition, stream)
	v.heads.Put(partition, stream, version)
	switch {
	case !known && v.heads.Evicted():
		v.Unchecked++
	case version != last+1:
		return fmt.Errorf("stream %q: version %d follows %d", stream, version, last)
	}
	return nil
}
