package groups

import (
	"maps"
	"slices"
)

// FetchOffsets answers with committed offsets: those of some partitions, in their order and with NoOffset where there is none, or of nil all that
// there are. It answers from what the log says, also while the group is busy. Errors: [ErrUnknownGroup].
func (c *Coordinator) FetchOffsets(name string, partitions []Partition) ([]Offset, error) {
	g := c.groups[name]
	if g == nil || !g.stored {
		return nil, &RefusedError{Kind: ErrUnknownGroup, Group: name, Reason: "nobody has joined it, and nothing was committed"}
	}
	if partitions == nil {
		partitions = slices.SortedFunc(maps.Keys(g.offsets), Partition.compare)
	}
	offsets := make([]Offset, len(partitions))
	for i, p := range partitions {
		offsets[i] = Offset{Partition: p, Offset: NoOffset}
		if c := g.offsets[p]; c != nil {
			offsets[i].Offset, offsets[i].LeaderEpoch, offsets[i].Metadata = c.offset, c.leaderEpoch, c.metadata
		}
	}
	return offsets, nil
}
