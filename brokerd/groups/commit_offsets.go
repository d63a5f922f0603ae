package groups

import "github.com/google/uuid"

// CommitOffsets moves the places from which partitions are read on. Each offset is committed or refused by itself.
//
// A commit counts while the member has the partition under the assignment that the commit names, also when it has to give it up. Commits of one
// assignment are numbered from 1 on, upwards. One that comes again has succeeded; one that was overtaken has no effect. Whoever commits is heard, also while
// nothing can be stored.
//
// Errors of the request: [ErrUnknownMember], [ErrFencedMember], [ErrFencedInstance], [ErrInvalid]. Errors of an offset: [ErrFencedMember],
// [ErrOutOfOrder], [ErrOffsetBackwards], [ErrInvalid], [ErrLimit].
type CommitOffsets struct {
	Member   uuid.UUID
	Instance string // as it joined
	Epoch    uint64 // of the share that the member has
	Offsets  []Commit
}

// Commit is one offset to be committed.
type Commit struct {
	Assignment
	Sequence    uint64 // of the commit within its assignment
	Offset      int64  // of the next record to be read
	LeaderEpoch uint64 // of the log that the member read
	Metadata    string // the member's own
}

func (c CommitOffsets) bytes(*group) int {
	n := 0
	for i := range c.Offsets {
		n += offsetBytes + len(c.Offsets[i].Metadata)
	}
	return n
}

func (c CommitOffsets) decide(t *turn) Reply {
	m, err := t.present(c.Member, c.Instance)
	switch {
	case err != nil:
		return Reply{Err: err}
	case c.Epoch > m.epoch:
		return Reply{Err: t.refuse(ErrFencedMember, "member %s says that it is at epoch %d, it is at %d: it has to join under a new id", m.id, c.Epoch, m.epoch)}
	}
	t.hear(m)
	if err := t.checkSum(c.bytes(nil)); err != nil {
		return Reply{Err: err}
	}
	results := make([]error, len(c.Offsets))
	for i, o := range c.Offsets {
		results[i] = t.commit(m, o)
	}
	return Reply{Commits: results}
}

func (t *turn) commit(m *member, o Commit) error {
	if o.Sequence == 0 {
		return t.refuse(ErrInvalid, "commits are numbered from 1 on")
	}
	if err := t.checkOffset(o.Partition, o.Offset, 0, o.Metadata); err != nil {
		return err
	}
	s, old := t.slot(o.Partition), t.offset(o.Partition)
	if s == nil || s.owner != m.number || s.epoch != o.Epoch {
		return t.refuse(ErrFencedMember, "member %s does not have partition %d of topic %s under epoch %d: it has to stop it", m.id, o.Partition.Partition, o.Topic, o.Epoch)
	}
	c := &committed{offset: o.Offset, leaderEpoch: o.LeaderEpoch, epoch: o.Epoch, sequence: o.Sequence, metadata: o.Metadata}
	if old != nil && old.epoch == c.epoch {
		switch {
		case c.sequence < old.sequence:
			return t.refuse(ErrOutOfOrder, "commit %d of partition %d of topic %s comes after commit %d", c.sequence, o.Partition.Partition, o.Topic, old.sequence)
		case c.sequence == old.sequence && c.same(old):
			return nil
		case c.sequence == old.sequence:
			return t.refuse(ErrInvalid, "commit %d of partition %d of topic %s was another one before", c.sequence, o.Partition.Partition, o.Topic)
		}
	}
	if old != nil && c.offset < old.offset {
		return t.refuse(ErrOffsetBackwards, "offset %d of partition %d of topic %s is committed, %d is not: reset the offsets to go back",
			old.offset, o.Partition.Partition, o.Topic, c.offset)
	}
	return t.setOffset(o.Partition, c)
}

// same says whether two commits say the same.
func (c *committed) same(o *committed) bool {
	return c.offset == o.offset && c.leaderEpoch == o.leaderEpoch && c.metadata == o.metadata
}
