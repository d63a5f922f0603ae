package main

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/strandlog/strand/brokerd/broker"
	"github.com/strandlog/strand/commitlog"
)

// examineNodes looks for nodes that are gone.
func examineNodes(nodes []commitlog.Node) (found []finding) {
	for _, n := range nodes {
		if !n.Alive {
			found = append(found, finding{
				levelError, "node", n.Name, "it is gone: it was not heard of for some seconds",
				"start it, or look at its log and at the network between the nodes; docs/operating/cluster.md has how to replace one",
			})
		}
	}
	if len(found) > 0 {
		return found
	}
	return []finding{{Level: levelOK, Thing: "nodes", Text: counted(len(nodes), "node") + ": all alive"}}
}

// examineVersions compares those of nodes and of this command.
func examineVersions(nodes []commitlog.Node) []finding {
	own := broker.Version()
	by := map[string][]string{}
	for _, n := range nodes {
		if n.Alive {
			by[cmp.Or(n.Version, "an unknown version")] = append(by[cmp.Or(n.Version, "an unknown version")], n.Name)
		}
	}
	var said []string
	for version, names := range by {
		said = append(said, fmt.Sprintf("%s of %s", version, strings.Join(names, ",")))
	}
	slices.Sort(said)
	switch {
	case len(by) > 1:
		return []finding{{
			levelWarning, "versions", "", "nodes run " + strings.Join(said, "; "),
			"restart the older ones with the newer version, one at a time, and wait for /readyz of each",
		}}
	case own != "" && len(by) == 1 && by[own] == nil:
		return []finding{{
			levelWarning, "versions", "", fmt.Sprintf("nodes run %s; this command is %s", strings.Join(said, "; "), own),
			"use the brokerd that the nodes run",
		}}
	}
	return []finding{{Level: levelOK, Thing: "versions", Text: cmp.Or(own, "unknown") + ", of nodes and of this command"}}
}

// unevenMin is the difference in leaders that nodes would have evened out. The catalogue is not counted, which takes one.
const unevenMin = 3

// examineLeaders looks for nodes that lead much more than others of what could be led by these.
func examineLeaders(nodes []commitlog.Node, topics []commitlog.Topic) []finding {
	leads := map[string]int{}
	for _, n := range nodes {
		if n.Alive {
			leads[n.Name] = 0
		}
	}
	if len(leads) < 2 {
		return nil
	}
	for _, t := range topics {
		for _, p := range t.Partitions[:min(t.Shards, len(t.Partitions))] { // the first of each shard
			if _, alive := leads[p.Leader]; alive && len(p.Replicas) > 1 {
				leads[p.Leader]++
			}
		}
	}
	var said []string
	least, most := -1, 0
	for name, n := range leads {
		said = append(said, fmt.Sprintf("%s %d", name, n))
		if most = max(most, n); least < 0 || n < least {
			least = n
		}
	}
	slices.Sort(said)
	if most-least < unevenMin {
		return []finding{{Level: levelOK, Thing: "leaders", Text: "spread evenly over the nodes: " + strings.Join(said, ", ")}}
	}
	return []finding{{
		levelWarning, "leaders", "", "spread unevenly over the nodes: " + strings.Join(said, ", "),
		"nodes hand over one shard every 10 s: look again in a minute; if it stays so, the log of the node that leads most says why it cannot",
	}}
}
