package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/strandlog/strand/commitlog"
)

const stateReconciling = "reconciling"

// examineGroups looks at all consumer groups.
func (d *doctor) examineGroups(ctx context.Context, topics []commitlog.Topic) {
	groups, err := d.client.Groups(ctx)
	if err != nil {
		d.add(finding{levelError, "groups", "", "cannot be listed: " + plain(err), "the topic of groups must serve: brokerd topics describe groups"})
		return
	}
	index := make(topicIndex, len(topics))
	for _, t := range topics {
		index[t.ID] = t
	}
	found := make([][]finding, len(groups))
	err = fanOut(ctx, len(groups), func(ctx context.Context, i int) error {
		g, err := d.settled(ctx, groups[i].Name)
		switch {
		case errors.Is(err, commitlog.ErrUnknownGroup): // it was deleted meanwhile
		case err != nil && ctx.Err() == nil:
			found[i] = []finding{{levelError, "group", groups[i].Name, "cannot be described: " + plain(err), "the topic of groups must serve: brokerd topics describe groups"}}
		case err == nil:
			found[i] = index.examineGroup(g, d.patience)
		}
		return ctx.Err()
	})
	if err != nil {
		return // Ctrl-C
	}
	wrong := 0
	for _, of := range found {
		wrong += len(of)
		d.add(of...)
	}
	if wrong == 0 {
		d.add(finding{Level: levelOK, Thing: "groups", Text: counted(len(groups), "group") + ": none is stuck, or left behind without members"})
	}
}

// settled describes a group, when what is on its way in it has arrived: unless that takes longer than one is patient.
func (d *doctor) settled(ctx context.Context, name string) (commitlog.Group, error) {
	const every = 250 * time.Millisecond
	pause := time.NewTicker(every)
	defer pause.Stop()
	began := time.Now()
	for {
		g, err := d.client.Group(ctx, name)
		if err != nil || g.State != stateReconciling || time.Since(began) >= d.patience {
			return g, err
		}
		select {
		case <-pause.C:
		case <-ctx.Done():
			return g, ctx.Err()
		}
	}
}

func (index topicIndex) examineGroup(g commitlog.Group, patience time.Duration) (found []finding) {
	all := index.progressOf(g)
	line := newGroupLine(g, all)
	if g.Size == 0 && line.Lag > 0 {
		found = append(found, finding{
			levelWarning, "group", g.Name, "it has no members, and " + counted(line.Lag, "record") + " to read of " + strings.Join(line.Topics, ","),
			fmt.Sprintf("start its members; or, if nobody needs it any more: brokerd groups delete %s", g.Name),
		})
	}
	for _, p := range all {
		if p.lost() {
			found = append(found, finding{
				levelError, "group", g.Name, fmt.Sprintf("it cannot go on in partition %d of topic %s: it is at offset %d, and what is before %d was deleted", p.Partition, p.Topic, *p.Committed, *p.Start),
				fmt.Sprintf("brokerd groups reset-offsets %s --topic %s --partition %d --to earliest --force", g.Name, p.Topic, p.Partition),
			})
		}
	}
	if g.State != stateReconciling {
		return found
	}
	for _, m := range g.Members {
		if len(m.Revoked) == 0 {
			continue
		}
		who := cmp.Or(m.Instance, m.ID.String()) + " (" + m.Client + " on " + m.Host + ")"
		found = append(found, finding{
			levelWarning, "group", g.Name, fmt.Sprintf("member %s has not given up %s within %s", who, shownAssignments(index.assignments(m.Revoked)), shownSpan(patience)),
			"look at why its work on them does not end; after its rebalance timeout the group takes them from it",
		})
	}
	return found
}
