package groups

import "maps"

// ResetOffsets sets committed offsets, also backwards, and makes the group if it is not there. A group with members is left alone unless Force is
// set: then whoever has one of the partitions is given it again, under a new epoch, and begins at the new place.
//
// Errors: [ErrGroupNotEmpty], [ErrInvalid], [ErrLimit].
type ResetOffsets struct {
	Force   bool
	Offsets []Offset
}

// Offset is the place from which a partition is read on.
type Offset struct {
	Partition
	Offset      int64 // NoOffset: none is committed
	LeaderEpoch uint64
	Metadata    string
}

func (r ResetOffsets) bytes(*group) int {
	n := groupBytes
	for i := range r.Offsets {
		n += offsetBytes + len(r.Offsets[i].Metadata)
	}
	return n
}

func (r ResetOffsets) decide(t *turn) Reply {
	if n := t.count(); n > 0 && !r.Force {
		return Reply{Err: t.refuse(ErrGroupNotEmpty, "it has %d members: stop them, or force the reset", n)}
	}
	if err := t.refuseGroup(); err != nil {
		return Reply{Err: err}
	}
	if err := t.checkSum(r.bytes(nil)); err != nil {
		return Reply{Err: err}
	}
	for _, o := range r.Offsets {
		partitions := PartitionsMax
		if known := t.topic(o.Topic); known != nil {
			partitions = len(known.slots)
		}
		if n := o.Partition.Partition; n < 0 || int(n) >= partitions {
			return Reply{Err: t.refuse(ErrInvalid, "topic %s has no partition %d", o.Topic, n)}
		}
		if err := t.checkOffset(o.Partition, o.Offset, NoOffset, o.Metadata); err != nil {
			return Reply{Err: err}
		}
	}
	before, offsets, grown := maps.Clone(t.commits), t.offsets, t.grown
	for _, o := range r.Offsets {
		var c *committed
		if o.Offset != NoOffset {
			c = &committed{offset: o.Offset, leaderEpoch: o.LeaderEpoch, metadata: o.Metadata}
		}
		if err := t.setOffset(o.Partition, c); err != nil {
			t.commits, t.offsets, t.grown = before, offsets, grown
			return Reply{Err: err}
		}
	}
	t.create()
	for _, o := range r.Offsets {
		if s := t.slot(o.Partition); s != nil && s.owner != 0 {
			t.editSlot(o.Partition).epoch = t.epoch
		}
	}
	return Reply{}
}

// checkSum refuses requests whose records are too large together.
func (t *turn) checkSum(bytes int) error {
	if bytes > RequestBytesMax {
		return t.refuse(ErrLimit, "the offsets take about %d bytes, at most %d are possible at once: send several requests", bytes, RequestBytesMax)
	}
	return nil
}

// checkOffset refuses offsets that cannot be committed, below the lowest one that can.
func (t *turn) checkOffset(p Partition, offset, lowest int64, metadata string) error {
	switch {
	case offset < lowest:
		return t.refuse(ErrInvalid, "partition %d of topic %s: %d is no offset: they count from 0", p.Partition, p.Topic, offset)
	case len(metadata) > MetadataBytesMax:
		return t.refuse(ErrInvalid, "partition %d of topic %s: %d bytes of metadata, at most %d are possible", p.Partition, p.Topic, len(metadata), MetadataBytesMax)
	}
	return nil
}
