package main

import (
	"fmt"
	"slices"
	"time"

	"github.com/strandlog/strand/commitlog"
	"github.com/strandlog/strand/projections"
)

// examineParked tells which projections have events that wait for somebody. where is what a command needs in order to find them.
func examineParked(all []projections.Overview, where string) (found []finding) {
	for _, o := range all {
		if o.Waiting > 0 {
			found = append(found, finding{
				levelWarning, "projection", o.ID.String(), counted(o.Waiting, "parked event") + ": its read model lacks their effects",
				fmt.Sprintf("brokerd projections parked list %s --version %d%s says why; then retry, or drop", o.ID.Name, o.ID.Version, where),
			})
		}
	}
	return found
}

// late is what a projection version has yet to project of some partitions.
type late struct {
	id   projections.ID
	next map[int32]int64 // where it is
	lag  int64
}

// examineBehind finds those with newer records, and those whose log is not there. Versions before the live one have had their day, and those that
// are paused are so on purpose.
func examineBehind(all []projections.Overview, topics []commitlog.Topic) (behind []late, strangers []finding) {
	live := map[string]int{}
	for _, o := range all {
		if o.Live {
			live[o.ID.Name] = o.ID.Version
		}
	}
	for _, o := range all {
		if o.ID.Version < live[o.ID.Name] || o.Paused || o.Source == (projections.Source{}) {
			continue
		}
		t, why, _ := sourceOf(o.Source, func(name string) (commitlog.Topic, error) { // which has no other errors
			at := slices.IndexFunc(topics, func(t commitlog.Topic) bool { return t.Name == name })
			if at < 0 {
				return commitlog.Topic{}, commitlog.ErrUnknownTopic
			}
			return topics[at], nil
		})
		if why != "" {
			strangers = append(strangers, finding{levelError, "projection", o.ID.String(), why, "if this is the node that it belongs to, rebuild it (projections.Rebuild), or raise its version; else name the other one: --server"})
			continue
		}
		line := newProjectionLine(o)
		line.measure(t)
		l := late{id: o.ID, next: map[int32]int64{}, lag: *line.Lag}
		for _, p := range line.Partitions {
			if p.Lag != nil && *p.Lag > 0 {
				l.next[p.Partition] = 0
				if p.Next != nil {
					l.next[p.Partition] = *p.Next
				}
			}
		}
		if len(l.next) > 0 {
			behind = append(behind, l)
		}
	}
	return behind, strangers
}

// examineStalled tells which are where they were some time ago, in partitions that had newer records then.
func examineStalled(before []late, now []projections.Overview, after time.Duration, where string) (found []finding) {
	for _, l := range before {
		at := slices.IndexFunc(now, func(o projections.Overview) bool { return o.ID == l.id })
		if at < 0 {
			continue
		}
		next := map[int32]int64{}
		for _, p := range now[at].Partitions {
			next[p.Partition] = p.Next
		}
		var stalled []int32
		for partition, was := range l.next {
			if next[partition] == was {
				stalled = append(stalled, partition)
			}
		}
		if len(stalled) == 0 {
			continue
		}
		slices.Sort(stalled)
		found = append(found, finding{
			levelWarning, "projection", l.id.String(), fmt.Sprintf("it has made no progress for %s or more in %s, and has %s to project", shownSpan(after), partitionsOf(stalled), counted(l.lag, "record")),
			fmt.Sprintf("start its workers; if they run, their log says why they do not go on; brokerd projections status %s --version %d%s shows how far it is", l.id.Name, l.id.Version, where),
		})
	}
	return found
}
