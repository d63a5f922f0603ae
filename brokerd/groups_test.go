package main

import (
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"github.com/strandlog/strand/commitlog"
)

// serving makes a topic of partitions that hold [start, end).
func serving(name string, bounds ...[2]int64) commitlog.Topic {
	t := commitlog.Topic{Name: name, ID: uuid.NewSHA1(uuid.Nil, []byte(name)), Shards: 1, MinInSync: 1}
	for _, b := range bounds {
		t.Partitions = append(t.Partitions, commitlog.PartitionInfo{Start: b[0], End: b[1], State: commitlog.Serving, Leader: "node-1"})
	}
	return t
}

func indexOf(topics ...commitlog.Topic) topicIndex {
	index := topicIndex{}
	for _, t := range topics {
		index[t.ID] = t
	}
	return index
}

func TestProgress(t *testing.T) {
	clicks := serving("clicks", [2]int64{0, 10}, [2]int64{5, 10}, [2]int64{5, 10}, [2]int64{0, 10}, [2]int64{0, 10})
	clicks.Partitions[3] = commitlog.PartitionInfo{State: "fencing", Detail: "a moment"}
	gone := uuid.NewSHA1(uuid.Nil, []byte("gone"))
	member := uuid.New()
	g := commitlog.Group{
		Name: "dashboard", Size: 1,
		Offsets: []commitlog.GroupOffset{{Topic: clicks.ID, Partition: 0, Offset: 7}, {Topic: clicks.ID, Partition: 1, Offset: 2}, {Topic: clicks.ID, Partition: 2, Offset: commitlog.NoOffset}, {Topic: clicks.ID, Partition: 3, Offset: 4}, {Topic: clicks.ID, Partition: 4, Offset: 12}, {Topic: gone, Partition: 6, Offset: 1}},
		Members: []commitlog.GroupMember{{ID: member, Assigned: []commitlog.GroupAssignment{{Topic: clicks.ID, Partition: 1}}, Revoked: []commitlog.GroupAssignment{{Topic: clicks.ID, Partition: 2}}}},
	}
	at := func(p int32, more progress) progress {
		more.Topic, more.TopicID, more.Partition, more.State = "clicks", clicks.ID, p, commitlog.Serving
		return more
	}
	n := func(n int64) *int64 { return &n }
	fencing := at(3, progress{Committed: n(4), Detail: "a moment"})
	fencing.State = "fencing"
	want := []progress{
		{TopicID: gone, Partition: 6, State: stateDeleted, Committed: n(1)},
		at(0, progress{Committed: n(7), Start: n(0), End: n(10), Lag: n(3)}),
		at(1, progress{Committed: n(2), Start: n(5), End: n(10), Lag: n(5), Member: &member, Detail: "what comes next was deleted: members that read on here fail"}),
		at(2, progress{Start: n(5), End: n(10), Lag: n(5), Member: &member}),
		fencing,
		at(4, progress{Committed: n(12), Start: n(0), End: n(10), Lag: n(0), Detail: "the partition ends before what is committed: it lost records, or was restored"}),
	}
	index := indexOf(clicks)
	all := index.progressOf(g)
	if diff := cmp.Diff(want, all); diff != "" {
		t.Error(diff)
	}
	if line := newGroupLine(g, all); line.Lag != 13 || !cmp.Equal(line.Topics, []string{"clicks"}) {
		t.Errorf("%+v", line)
	}
	var out strings.Builder
	if err := describeGroup(&out, index.detail(g, all)); err != nil {
		t.Fatal(err)
	}
	for _, line := range []string{
		"clicks 1 (gives up clicks 2)\n", gone.String() + "          6          1    -    -       -  -\n",
		"\npartition 3 of topic clicks is fencing: a moment\n", "\npartition 6 of topic " + gone.String() + " is deleted\n", "\npartition 1 of topic clicks: what comes next was deleted",
	} {
		if !strings.Contains(out.String(), line) {
			t.Errorf("%q is not in:\n%s", line, out.String())
		}
	}
}

func TestShownAssignments(t *testing.T) {
	clicks, orders := serving("clicks"), serving("orders")
	var all []commitlog.GroupAssignment
	for _, p := range []int32{7, 0, 2, 1, 5, 4} {
		all = append(all, commitlog.GroupAssignment{Topic: clicks.ID, Partition: p})
	}
	all = append(all, commitlog.GroupAssignment{Topic: orders.ID, Partition: 3})
	if got := shownAssignments(indexOf(clicks, orders).assignments(all)); got != "clicks 0-2,4-5,7; orders 3" {
		t.Error(got)
	}
}

func TestShownSpan(t *testing.T) {
	for d, want := range map[time.Duration]string{
		-time.Second: "0.0s", 1999 * time.Millisecond: "1.9s", 10 * time.Second: "10s", 61 * time.Second: "1m1s", 3*time.Hour + 5*time.Minute: "3h5m", 2*day + 90*time.Minute: "2d1h",
	} {
		if got := shownSpan(d); got != want {
			t.Errorf("%v: %s, want %s", d, got, want)
		}
	}
}

func TestFanOut(t *testing.T) {
	var sum atomic.Int64
	if err := fanOut(t.Context(), 1000, func(_ context.Context, i int) error { sum.Add(int64(i)); return nil }); err != nil || sum.Load() != 999*1000/2 {
		t.Errorf("%d, %v", sum.Load(), err)
	}
	err := fanOut(t.Context(), 1000, func(ctx context.Context, i int) error {
		if i == 17 {
			return errBroken
		}
		if i > 17 {
			<-ctx.Done()
		}
		return nil
	})
	if !errors.Is(err, errBroken) {
		t.Error(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := fanOut(ctx, 10, func(context.Context, int) error { return nil }); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}
