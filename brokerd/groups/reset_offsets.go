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
		known := t.topic(o.Topic)
		if o.Partition.Partition < 0 || o.Partition.Partition >= PartitionsMax || known != nil && t.slot(o.Partition) == nil || o.Offset < NoOffset || len(o.Metadata) > MetadataBytesMax {
			return Reply{Err: t.invalidOffset(o.Partition, o.Offset, o.Metadata)}
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

func (t *turn) invalidOffset(p Partition, offset int64, metadata string) error {
	return t.refuse(ErrInvalid, "partition %d of topic %s, offset %d with %d bytes of metadata: partitions are below %d, offsets are not negative, and metadata has at most %d bytes",
		p.Partition, p.Topic, offset, len(metadata), PartitionsMax, MetadataBytesMax)
}
