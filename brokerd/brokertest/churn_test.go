package brokertest_test

import (
	"math/rand/v2"
	"os"
	"testing"
	"time"

	"github.com/strandlog/strand/brokerd/brokertest"
	"github.com/strandlog/strand/commitlog"
)

const (
	churnPartitions = 24
	churnMembers    = 8
	churnEvery      = 2 * time.Second
	ownedWithin     = 10 * time.Second // of a disturbance
)

// clicks makes a plain topic that a crowd reads.
func clicks(t *testing.T, client *commitlog.Client, partitions int) commitlog.Topic {
	t.Helper()
	topic, err := client.CreateTopic(t.Context(), commitlog.TopicConfig{Name: "clicks", Kind: commitlog.Plain, Partitions: partitions})
	if err != nil {
		t.Fatal(err)
	}
	return topic
}

// TestGroupChurn kills members of a group, unplugs others for longer than their session and plugs them in again, has some leave and new ones join, under load:
// nothing is skipped, no partition is without an owner for long, and commits are accepted of owners only.
func TestGroupChurn(t *testing.T) {
	options, members, rate := []brokertest.Option{}, commitlog.MemberConfig{SessionTimeout: 3 * time.Second}, 500
	if os.Getenv("STRAND_TORTURE") != "" {
		options, members, rate = append(options, brokertest.Processes()), commitlog.MemberConfig{}, 2000
	}
	c := brokertest.Cluster(t, 3, options...)
	client := dial(t, c.URLs())
	topic := clicks(t, client, churnPartitions)
	group := newCrowd(t, c.URLs(), "dashboard", topic, members)
	for range churnMembers {
		group.join()
	}
	group.await(30*time.Second, "the members share the partitions", group.settled)
	log := followCommits(t, client, group.group, topic.ID)
	stop := written(t, c.URLs(), topic, 2, rate)
	_, _ = group.takePauses() // of the beginning

	var pauses []time.Duration
	var unplugged *attendee
	tick := time.NewTicker(churnEvery)
	defer tick.Stop()
	for round := range rounds(7, 30) {
		<-tick.C
		victim := rand.IntN(len(group.members))
		if group.members[victim] == unplugged {
			victim = (victim + 1) % len(group.members)
		}
		switch round % 4 {
		case 0:
			group.kill(victim)
		case 1:
			if unplugged != nil {
				unplugged.cable.plug(true)
			}
			unplugged = group.members[victim]
			unplugged.cable.plug(false)
		case 2:
			group.join()
			group.join()
		default:
			group.part(victim)
		}
		group.check()
		ended, open := group.takePauses()
		pauses = append(pauses, ended...)
		for _, since := range open {
			if since > ownedWithin {
				t.Errorf("a partition is without an owner for %v", since)
			}
		}
	}
	unplugged.cable.plug(true)
	group.await(2*ownedWithin, "the members share the partitions", group.settled)
	delivered := stop()
	group.awaitAll(delivered)
	ended, _ := group.takePauses()
	if pauses = append(pauses, ended...); len(pauses) < churnPartitions/churnMembers {
		t.Errorf("%d partitions have changed hands: the group was not disturbed", len(pauses))
	}
	for _, pause := range pauses {
		if pause > ownedWithin {
			t.Errorf("a partition was without an owner for %v", pause)
		}
	}
	for len(group.members) > 0 {
		group.part(0)
	}
	log.check(group)
	group.check()
	total := 0
	for _, n := range delivered {
		total += n
	}
	t.Logf("%d records, %d commits accepted, %d assignments, %d records seen again", total, len(log.all), len(group.tenures), group.repeats)
	t.Logf("without an owner: %s", distribution(pauses))
	checkCommitted(t, client, group.group, topic)
}

// checkCommitted has a group whose members have left have committed everything.
func checkCommitted(t *testing.T, client *commitlog.Client, group string, topic commitlog.Topic) {
	t.Helper()
	g, err := client.Group(t.Context(), group)
	if err != nil {
		t.Fatal(err)
	}
	now, err := client.Topic(t.Context(), topic.Name)
	if err != nil {
		t.Fatal(err)
	}
	committed := map[int32]int64{}
	for _, o := range g.Offsets {
		committed[o.Partition] = o.Offset
	}
	for p, at := range now.Partitions {
		if committed[int32(p)] != at.End {
			t.Errorf("partition %d is committed up to %d of %d after all members have left", p, committed[int32(p)], at.End)
		}
	}
}
