package main

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"github.com/strandlog/strand/brokerd/broker"
	"github.com/strandlog/strand/commitlog"
)

// replicated makes a topic with copies on three nodes, of two shards, led by the first two.
func replicated(name string) commitlog.Topic {
	t := serving(name, [2]int64{}, [2]int64{}, [2]int64{}, [2]int64{})
	t.Shards, t.Replicas, t.MinInSync = 2, 3, 2
	for i := range t.Partitions {
		p := &t.Partitions[i]
		p.Leader = fmt.Sprintf("node-%d", i%2+1)
		for n := range 3 {
			p.Replicas = append(p.Replicas, commitlog.ReplicaInfo{Node: fmt.Sprintf("node-%d", n+1), Alive: true, InSync: true})
		}
	}
	return t
}

func three() []commitlog.Node {
	var nodes []commitlog.Node
	for n := range 3 {
		nodes = append(nodes, commitlog.Node{Name: fmt.Sprintf("node-%d", n+1), Alive: true, Version: broker.Version()})
	}
	return nodes
}

// shown is what a finding is, without its remedy.
func shown(t *testing.T, found []finding) (lines []string) {
	t.Helper()
	for _, f := range found {
		if (f.Level == levelOK) != (f.Remedy == "") {
			t.Errorf("%+v: what is wrong needs a remedy, and nothing else does", f)
		}
		lines = append(lines, strings.TrimSpace(f.Level+" "+f.Thing+" "+f.Name)+": "+f.Text)
	}
	return lines
}

func TestDoctorExaminesNodes(t *testing.T) {
	nodes := three()
	own := nodes[0].Version
	all := append(examineNodes(nodes), examineVersions(nodes)...)
	want := []string{"ok nodes: 3 nodes: all alive", "ok versions: " + own + ", of nodes and of this command"}
	if own == "" {
		want[1] = "ok versions: unknown, of nodes and of this command"
	}
	if diff := cmp.Diff(want, shown(t, all)); diff != "" {
		t.Error(diff)
	}
	nodes[1].Alive, nodes[1].Version, nodes[2].Version = false, "v0.1.0", "v0.9.0"
	nodes[0].Version = "v0.8.0"
	want = []string{
		"error node node-2: it is gone: it was not heard of for some seconds",
		"warning versions: nodes run v0.8.0 of node-1; v0.9.0 of node-3",
	}
	if diff := cmp.Diff(want, shown(t, append(examineNodes(nodes), examineVersions(nodes)...))); diff != "" {
		t.Error(diff)
	}
}

func TestDoctorExaminesTopics(t *testing.T) {
	clicks, orders := replicated("clicks"), replicated("orders")
	want := []string{"ok topics: 2 topics, 8 partitions: all serve, and all copies are in sync"}
	if diff := cmp.Diff(want, shown(t, examineTopics([]commitlog.Topic{clicks, orders}))); diff != "" {
		t.Error(diff)
	}
	for _, p := range []int{1, 3} {
		clicks.Partitions[p] = commitlog.PartitionInfo{State: "no quorum", Detail: "1 of 3"}
	}
	orders.Partitions[0].Replicas[2] = commitlog.ReplicaInfo{Node: "node-3", Alive: true, Lag: 1}
	orders.Partitions[2].Replicas[2] = commitlog.ReplicaInfo{Node: "node-3", Alive: true, Lag: 7}
	orders.Partitions[2].Replicas[0] = commitlog.ReplicaInfo{Node: "node-1", Lag: 3}
	dead := replicated("dead")
	for _, n := range []int{0, 1} {
		dead.Partitions[3].Replicas[n] = commitlog.ReplicaInfo{Node: fmt.Sprintf("node-%d", n+1)}
	}
	want = []string{
		"error topic dead: no appends are acknowledged, because no more than half of the copies are alive: partition 3",
		"warning topic dead: copies on node-1 are not in sync, because it is gone: partition 3",
		"warning topic dead: copies on node-2 are not in sync, because it is gone: partition 3",
	}
	if diff := cmp.Diff(want, shown(t, examineTopics([]commitlog.Topic{dead}))); diff != "" {
		t.Error(diff)
	}
	want = []string{
		"error topic clicks: not serving: partitions 1,3 (no quorum, at no node): 1 of 3",
		"error topic orders: no appends are taken, because fewer than 2 copies are in sync: partition 2",
		"warning topic orders: copies on node-1 are not in sync, because it is gone: partition 2",
		"warning topic orders: copies on node-3 are behind, by up to 7 records: partitions 0,2",
	}
	if diff := cmp.Diff(want, shown(t, examineTopics([]commitlog.Topic{clicks, orders}))); diff != "" {
		t.Error(diff)
	}
}

// TestDoctorKnowsEveryState: there is a remedy of its own for all that a partition can be in beside serving.
func TestDoctorKnowsEveryState(t *testing.T) {
	other := stateRemedy("clicks", "unknown")
	for _, state := range []string{"fencing", "follow", "rebuilding", "no quorum", "no storage", "corrupt", "diverged"} {
		if stateRemedy("clicks", state) == other {
			t.Errorf("nothing is known of %s", state)
		}
	}
}

func TestDoctorExaminesLeaders(t *testing.T) {
	var topics []commitlog.Topic
	for i := range 3 {
		topics = append(topics, replicated(fmt.Sprintf("t%d", i)))
	}
	want := []string{"warning leaders: spread unevenly over the nodes: node-1 3, node-2 3, node-3 0"}
	if diff := cmp.Diff(want, shown(t, examineLeaders(three(), topics))); diff != "" {
		t.Error(diff)
	}
	want = []string{"ok leaders: spread evenly over the nodes: node-1 2, node-2 2, node-3 0"}
	if diff := cmp.Diff(want, shown(t, examineLeaders(three(), topics[:2]))); diff != "" {
		t.Error(diff)
	}
	if found := examineLeaders(three()[:1], topics); len(found) > 0 {
		t.Errorf("one node leads all: %v", found)
	}
}

func TestDoctorExaminesGroups(t *testing.T) {
	clicks := serving("clicks", [2]int64{0, 10}, [2]int64{5, 10})
	index := indexOf(clicks)
	offsets := []commitlog.GroupOffset{{Topic: clicks.ID, Partition: 0, Offset: 10}, {Topic: clicks.ID, Partition: 1, Offset: 10}}
	if found := index.examineGroup(commitlog.Group{Name: "reports", Offsets: offsets}, 0); len(found) > 0 {
		t.Errorf("a group that has read all: %v", found)
	}
	offsets[1].Offset = 2
	want := []string{
		"warning group reports: it has no members, and 5 records to read of clicks",
		"error group reports: it cannot go on in partition 1 of topic clicks: it is at offset 2, and what is before 5 was deleted",
	}
	if diff := cmp.Diff(want, shown(t, index.examineGroup(commitlog.Group{Name: "reports", State: "empty", Offsets: offsets}, 0))); diff != "" {
		t.Error(diff)
	}
	member := commitlog.GroupMember{
		ID: uuid.New(), Instance: "worker-3", Client: "shop", Host: "a", State: "unrevoked",
		Revoked: []commitlog.GroupAssignment{{Topic: clicks.ID, Partition: 0}, {Topic: clicks.ID, Partition: 1}},
	}
	g := commitlog.Group{Name: "dashboard", State: stateReconciling, Size: 2, Members: []commitlog.GroupMember{member, {State: "unreleased"}}}
	want = []string{"warning group dashboard: member worker-3 (shop on a) has not given up clicks 0-1 within 5.0s"}
	if diff := cmp.Diff(want, shown(t, index.examineGroup(g, 5*time.Second))); diff != "" {
		t.Error(diff)
	}
}
