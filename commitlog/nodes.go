package commitlog

import (
	"context"
	"errors"

	"github.com/strandlog/strand/internal/wire"
)

// Node is a node of a cluster, as the one that was asked sees it.
type Node struct {
	Name  string
	URL   string // where clients reach it
	Alive bool   // it was heard of within the last seconds
	Leads int    // shards

	Version string // of its brokerd, or of this module in the program that embeds it; empty: it does not say
}

// Nodes lists the nodes, by name: those of the cluster that the answering node has heard of since it started, or that one alone.
func (c *Client) Nodes(ctx context.Context) ([]Node, error) {
	resp, _, err := c.manage(ctx, wire.SubjectCluster, wire.TopicRequest{}, "listing nodes")
	if err != nil {
		return nil, err
	}
	if resp.Code != wire.OK {
		return nil, c.unavailable("listing nodes", refusal(resp.Code, resp.Detail))
	}
	if len(resp.Nodes) == 0 {
		return nil, &CorruptError{Partition: -1, Offset: -1, Cause: errors.New("no nodes in the answer")}
	}
	nodes := make([]Node, len(resp.Nodes))
	for i, n := range resp.Nodes {
		nodes[i] = Node{Name: n.Node, URL: n.URL, Alive: n.Alive, Leads: n.Leads, Version: n.Version}
	}
	return nodes, nil
}
