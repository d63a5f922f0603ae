package brokertest_test

import (
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/strandlog/strand/brokerd/brokertest"
	"github.com/strandlog/strand/commitlog"
	"github.com/strandlog/strand/internal/partitioner"
	"github.com/strandlog/strand/internal/wire"
)

// TestCommitsOutOfOrder has a commit of offset 100 come after the one of offset 200 that was made later: it is refused, also by the node that takes the
// group over (test 8 of the sequencer's).
func TestCommitsOutOfOrder(t *testing.T) {
	c := brokertest.Cluster(t, 3, brokertest.Processes())
	client := dial(t, c.URLs())
	clicks, err := client.CreateTopic(t.Context(), commitlog.TopicConfig{Name: "clicks", Kind: commitlog.Plain, Partitions: 1, Shards: 1})
	if err != nil {
		t.Fatal(err)
	}
	if err := client.ResetOffsets(t.Context(), "billing", nil, false); err != nil { // makes the group, and the topic that it is kept in
		t.Fatal(err)
	}
	groups, err := client.Topic(t.Context(), wire.GroupsTopic)
	if err != nil {
		t.Fatal(err)
	}
	partition := partitioner.Partition("{billing}", len(groups.Partitions))
	coordinator := c.Index(groups.Partitions[partition].Leader)
	url := c.URL((coordinator + 1) % 3) // of a node that stays
	ask := func(req wire.GroupRequest) (answer wire.GroupResponse) {
		t.Helper()
		req.Group, req.Partition = "billing", partition
		payload, err := req.AppendTo(nil)
		if err != nil {
			t.Fatal(err)
		}
		eventually(t, 60*time.Second, "an answer of the coordinator", func() bool {
			reply, ok := newShardSession(t, url, groups, wire.ShardOf(partition, groups.Shards)).ask(wire.VerbGroup, payload)
			return ok && answer.Decode(reply) == nil && answer.Code != wire.NotLeader && answer.Code != wire.Retry && answer.Code != wire.Unknown
		})
		return answer
	}
	member := uuid.New()
	share := ask(wire.GroupRequest{Join: &wire.GroupJoin{Member: member, Topics: []wire.GroupTopic{{ID: clicks.ID, Partitions: 1}}, SessionTimeoutMS: 120_000}}).Share
	commit := func(sequence uint64, offset int64) wire.Code {
		t.Helper()
		r := ask(wire.GroupRequest{Commit: &wire.GroupCommit{Member: member, Epoch: share.Epoch, Offsets: []wire.GroupCommitOffset{
			{GroupAssignment: share.Assigned[0].GroupAssignment, Sequence: sequence, Offset: offset},
		}}})
		if r.Code != wire.OK {
			t.Fatalf("the commit was answered %v %s", r.Code, r.Detail)
		}
		return r.Commits[0].Code
	}
	if code := commit(2, 200); code != wire.OK {
		t.Fatalf("offset 200: %v", code)
	}
	if code := commit(1, 100); code != wire.OutOfOrder {
		t.Errorf("offset 100, late: %v", code)
	}
	c.Kill(coordinator)
	if code := commit(1, 100); code != wire.OutOfOrder {
		t.Errorf("offset 100, late, at the next coordinator: %v", code)
	}
	g, err := client.Group(t.Context(), "billing")
	if err != nil || len(g.Offsets) != 1 || g.Offsets[0].Offset != 200 {
		t.Errorf("committed is %+v, %v", g.Offsets, err)
	}
}

// TestTakeoverAfterRetention deletes all but the last record, and kills the leader: the next one goes on at the same offsets (test 5 of the sequencer's).
func TestTakeoverAfterRetention(t *testing.T) {
	c := brokertest.Cluster(t, 3, brokertest.Processes())
	client := dial(t, c.URLs())
	topic, err := client.CreateTopic(t.Context(), commitlog.TopicConfig{Name: "clicks", Kind: commitlog.Plain, Partitions: 1, Shards: 1})
	if err != nil {
		t.Fatal(err)
	}
	produce := func(n int) (last int64) {
		t.Helper()
		producer, err := client.Producer(t.Context(), topic, commitlog.ProducerConfig{})
		if err != nil {
			t.Fatal(err)
		}
		told := make(chan error, n)
		for range n {
			if err := producer.Send(t.Context(), commitlog.Message{Value: []byte("x")}, func(d commitlog.Delivery, err error) {
				last = max(last, d.Offset)
				told <- err
			}); err != nil {
				t.Fatal(err)
			}
		}
		if err := producer.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
		for range n {
			if err := <-told; err != nil {
				t.Fatal(err)
			}
		}
		return last
	}
	last := produce(100)
	if _, err := client.DeleteBefore(t.Context(), topic, 0, last); err != nil {
		t.Fatal(err)
	}
	c.Kill(leader(t, c, client, topic))
	if next := produce(1); next != last+1 {
		t.Errorf("after offset %d the next leader gave out offset %d", last, next)
	}
	var offsets []int64
	for r, err := range client.Records(t.Context(), topic, 0, commitlog.Range{From: commitlog.Earliest}) {
		if err != nil {
			t.Fatal(err)
		}
		offsets = append(offsets, r.Offset)
	}
	if len(offsets) != 2 || offsets[0] != last {
		t.Errorf("the partition holds the offsets %v, want %d and %d", offsets, last, last+1)
	}
}
