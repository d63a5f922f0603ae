package broker

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/strandlog/strand/internal/wire"
)

// TestLagOfCopies has three nodes speak of a shard: how far the copies are behind is what their nodes say, and not known where they say nothing.
func TestLagOfCopies(t *testing.T) {
	at := func(node, state string, newest int64, ends ...int64) wire.ShardInfo {
		info := wire.ShardInfo{Node: node, State: state, Newest: newest}
		for p, end := range ends {
			info.Partitions = append(info.Partitions, wire.PartitionInfo{Partition: int32(p), HighWatermark: end})
		}
		return info
	}
	leader := at("a", wire.ShardServing, 5000, 100, 50)
	for _, node := range []string{"a", "b", "c", "d"} {
		leader.Replicas = append(leader.Replicas, wire.ReplicaInfo{Node: node, Lag: -1, LagMS: -1})
	}
	said := [][]wire.ShardInfo{{leader}, {at("b", wire.ShardFollow, 3500, 93, 50)}, {at("c", wire.ShardFollow, 5200, 101, 50)}, nil}
	compare(&leader, said)
	want := []wire.ReplicaInfo{{Node: "a"}, {Node: "b", Lag: 7, LagMS: 1500}, {Node: "c"}, {Node: "d", Lag: -1, LagMS: -1}}
	if diff := cmp.Diff(want, leader.Replicas); diff != "" {
		t.Errorf("the copies (-want +got):\n%s", diff)
	}
}
