package index

import (
	"fmt"

	"github.com/strandlog/strand/brokerd/segment"
)

// Entry is what the index learns of one event. Type and Tags may be views: what is kept of them is copied.
type Entry struct {
	Partition int32
	Stream    string
	Version   int64  // 1 and up, each one above the last of its stream
	CommandID string // empty: none
	Type      []byte // event type, empty: none
	Tags      [][]byte
	Pointer
}

// Pointer leads to one record in the segments of its partition.
type Pointer struct {
	Offset    int64
	Timestamp int64         // record time, ms since 1970
	Place     segment.Place // first byte of the record, its length prefix included
	Len       uint32        // bytes of the record; 0: only the stream's head is indexed, as for the keys of a table topic
	Sum       uint32        // crc32c of those bytes: a single record is read past the checksum of its batch
}

func (e *Entry) check() error {
	switch {
	case len(e.Stream) == 0 || len(e.Stream) > nameBytesMax:
		return fmt.Errorf("%w: a stream name of %d bytes (1 to %d are allowed)", ErrEntry, len(e.Stream), nameBytesMax)
	case len(e.CommandID) > nameBytesMax:
		return fmt.Errorf("%w: a command id of %d bytes in stream %q (up to %d are allowed)", ErrEntry, len(e.CommandID), e.Stream, nameBytesMax)
	case len(e.Type) > nameBytesMax:
		return fmt.Errorf("%w: an event type of %d bytes in stream %q (up to %d are allowed)", ErrEntry, len(e.Type), e.Stream, nameBytesMax)
	case e.Partition < 0 || e.Version < 1 || e.Offset < 0:
		return fmt.Errorf("%w: version %d of stream %q at offset %d of partition %d", ErrEntry, e.Version, e.Stream, e.Offset, e.Partition)
	case e.Place.File < 0 || e.Place.File > e.Offset || e.Place.Pos < 0:
		return fmt.Errorf("%w: offset %d cannot be at %v", ErrEntry, e.Offset, e.Place)
	}
	for _, tag := range e.Tags {
		if !Nameable(tag) {
			return fmt.Errorf("%w: a tag of %d bytes in stream %q (1 to %d are allowed)", ErrEntry, len(tag), e.Stream, nameBytesMax)
		}
	}
	return nil
}

// Nameable says whether a query can name a type or a tag: it is not empty and not longer than a name.
func Nameable(term []byte) bool { return len(term) > 0 && len(term) <= nameBytesMax }
