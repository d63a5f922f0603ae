package brokertest_test

import (
	"testing"
	"time"

	"github.com/strandlog/strand/brokerd/brokertest"
	"github.com/strandlog/strand/commitlog"
)

// TestKillCoordinator kills the node that coordinates a group, under load: members keep what they have or get it back, nothing is skipped, and no committed offset goes back.
func TestKillCoordinator(t *testing.T) {
	c := brokertest.Cluster(t, 3, brokertest.Processes())
	client := dial(t, c.URLs())
	topic := clicks(t, client, 12)
	group := newCrowd(t, c.URLs(), "dashboard", topic, commitlog.MemberConfig{})
	for range 4 {
		group.join()
	}
	group.await(30*time.Second, "the members share the partitions", group.settled)
	_, _ = group.takePauses() // of the beginning
	log := followCommits(t, client, group.group, topic.ID)
	stop := written(t, c.URLs(), topic, 2, 500)
	var paused []time.Duration // between two accepted commits, around a kill
	for range rounds(1, 20) {
		log.await(t, 1)
		at := log.leader(t)
		victim := c.Index(at)
		if victim < 0 {
			t.Fatalf("nobody coordinates the group: %q", at)
		}
		c.Kill(victim)
		killed := time.Now()
		before := log.count()
		log.await(t, 4*len(topic.Partitions)) // some were on their way to the reader
		pause := log.longestPause(before)
		paused = append(paused, pause)
		t.Logf("%s was killed: commits were accepted again after %v", at, pause)
		if pause > 15*time.Second {
			t.Errorf("no commit was accepted for %v after the coordinator was killed", pause)
		}
		c.Start()
		group.await(30*time.Second, "the members share the partitions", group.settled)
		group.check()
		t.Logf("the members share the partitions, %v after the kill", time.Since(killed))
	}
	group.awaitAll(stop())
	ended, _ := group.takePauses() // of members that were not heard in time, on a machine that does other things as well
	for _, pause := range ended {
		if pause > ownedWithin {
			t.Errorf("a partition was without an owner for %v", pause)
		}
	}
	for len(group.members) > 0 {
		group.part(0)
	}
	log.check(group)
	group.check()
	t.Logf("%d commits accepted, %d assignments; without commits: %s; without an owner: %s", len(log.all), len(group.tenures), distribution(paused), distribution(ended))
	checkCommitted(t, client, group.group, topic)
}
