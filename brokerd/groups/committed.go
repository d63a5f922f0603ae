package groups

import "encoding/binary"

// committed is the place from which a partition is read on, with what stands beside it. It is never changed, only replaced.
type committed struct {
	offset      int64
	leaderEpoch uint64 // of the log, when the member read there
	epoch       uint64 // of the assignment under which it was committed, 0: it was reset
	sequence    uint64 // of the commit within that assignment
	metadata    string

	size int // of its record
}

// The value of an offset's record: offset, leader epoch, assignment epoch, sequence, metadata.
func (c *committed) encode() []byte {
	b := binary.AppendUvarint([]byte{format}, uint64(c.offset))
	b = binary.AppendUvarint(b, c.leaderEpoch)
	b = binary.AppendUvarint(b, c.epoch)
	b = binary.AppendUvarint(b, c.sequence)
	return appendText(b, c.metadata)
}

func decodeCommitted(b []byte) (*committed, error) {
	d := decode("offset", b)
	c := &committed{
		offset: d.int64("offset"), leaderEpoch: d.uvarint("leader epoch", 1<<64-1), epoch: d.uvarint("assignment epoch", epochMax),
		sequence: d.uvarint("sequence", 1<<64-1), metadata: d.text("metadata", MetadataBytesMax),
	}
	if (c.epoch == 0) != (c.sequence == 0) {
		d.fail("sequence", "it contradicts the assignment epoch")
	}
	return c, d.end()
}

func (g *group) applyOffset(at Partition, value []byte, size int) (grown int, err error) {
	if old := g.offsets[at]; old != nil {
		grown = -old.size
	}
	if value == nil {
		delete(g.offsets, at)
		return grown, nil
	}
	c, err := decodeCommitted(value)
	if err != nil {
		return 0, err
	}
	c.size = size
	g.offsets[at] = c
	return grown + size, nil
}
