package main

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/strandlog/strand/commitlog"
)

// stateRemedy says what to do about a partition in each state.
func stateRemedy(topic, state string) string {
	remedies := map[string]string{
		"no quorum":  "bring the other nodes that have copies back: more than half of them must be there",
		"no storage": "make room, or replace the disk: docs/operating/damage.md",
		"corrupt":    "brokerd verify finds all damage; docs/operating/damage.md says what to do",
		"diverged":   "records that were acknowledged are gone: decide as docs/operating/damage.md says",
		"rebuilding": "it reads its log, and serves by itself when it has: wait",
		"fencing":    "its new leader makes sure that it is the only one, which takes moments: look again, then look at the log of the node",
		"follow":     "it waits for a leader, which takes up to 10 s: look again, then look at the logs of the nodes",
	}
	return cmp.Or(remedies[state], fmt.Sprintf("its node is opening it: look again in a moment, then look at the nodes' logs; brokerd topics describe %s shows it", topic))
}

// examineTopics looks for partitions that do not serve, and for copies that are behind.
func examineTopics(topics []commitlog.Topic) (found []finding) {
	shown, partitions := 0, 0
	for _, t := range topics {
		if !t.Internal() {
			shown, partitions = shown+1, partitions+len(t.Partitions)
		}
		found = append(found, examineServing(t)...)
		found = append(found, examineCopies(t)...)
	}
	if len(found) > 0 {
		return found
	}
	return []finding{{Level: levelOK, Thing: "topics", Text: fmt.Sprintf("%s, %s: all serve, and all copies are in sync", counted(shown, "topic"), counted(partitions, "partition"))}}
}

// examineServing tells which partitions do not serve, those of one kind together.
func examineServing(t commitlog.Topic) (found []finding) {
	type fault struct{ state, detail, leader string }
	by := map[fault][]int32{}
	var faults []fault
	for i, p := range t.Partitions {
		if p.State == commitlog.Serving {
			continue
		}
		is := fault{cmp.Or(p.State, "unknown"), p.Detail, p.Leader}
		if by[is] == nil {
			faults = append(faults, is)
		}
		by[is] = append(by[is], int32(i))
	}
	for _, is := range faults {
		text := fmt.Sprintf("not serving: %s (%s, at %s)", partitionsOf(by[is]), is.state, cmp.Or(is.leader, "no node"))
		if is.detail != "" {
			text += ": " + is.detail
		}
		found = append(found, finding{levelError, "topic", t.Name, text, stateRemedy(t.Name, is.state)})
	}
	return found
}

// examineCopies tells which nodes lack records, and where too few have them all.
func examineCopies(t commitlog.Topic) (found []finding) {
	type copies struct {
		partitions []int32
		lag        int64
		alive      bool
	}
	behind := map[string]*copies{}
	var names []string
	var short, lost []int32
	for i, p := range t.Partitions {
		inSync, alive := 0, 0
		for _, r := range p.Replicas {
			if r.Alive {
				alive++
			}
			if r.InSync {
				inSync++
				continue
			}
			if behind[r.Node] == nil {
				behind[r.Node] = &copies{alive: r.Alive}
				names = append(names, r.Node)
			}
			c := behind[r.Node]
			c.partitions, c.lag = append(c.partitions, int32(i)), max(c.lag, r.Lag)
		}
		switch n := len(p.Replicas); {
		case n > 0 && alive <= t.Replicas/2:
			lost = append(lost, int32(i))
		case n > 0 && inSync < t.MinInSync:
			short = append(short, int32(i))
		}
	}
	if len(lost) > 0 {
		found = append(found, finding{
			levelError, "topic", t.Name, "no appends are acknowledged, because no more than half of the copies are alive: " + partitionsOf(lost),
			"bring the nodes back that have the copies; brokerd cluster leaders " + t.Name + " shows them",
		})
	}
	if len(short) > 0 {
		found = append(found, finding{
			levelError, "topic", t.Name, fmt.Sprintf("no appends are taken, because fewer than %d copies are in sync: %s", t.MinInSync, partitionsOf(short)),
			"bring the nodes back that have the copies; brokerd cluster leaders " + t.Name + " shows them",
		})
	}
	slices.Sort(names)
	for _, name := range names {
		c := behind[name]
		f := finding{
			levelWarning, "topic", t.Name, fmt.Sprintf("copies on %s are behind, by up to %s: %s", name, counted(c.lag, "record"), partitionsOf(c.partitions)),
			"it catches up by itself: look again in a while, then look at its log, its disk and its network",
		}
		if !c.alive {
			f.Text = fmt.Sprintf("copies on %s are not in sync, because it is gone: %s", name, partitionsOf(c.partitions))
			f.Remedy = "bring it back: until then the topic bears the loss of fewer nodes"
		}
		found = append(found, f)
	}
	return found
}

// partitionsOf names them.
func partitionsOf(partitions []int32) string {
	noun := "partition "
	if len(partitions) > 1 {
		noun = "partitions "
	}
	return noun + shownPartitions(partitions)
}
