package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"sync"
	"time"

	"github.com/strandlog/strand/bench/process"
	"github.com/strandlog/strand/bench/workload"
	"github.com/strandlog/strand/brokerd/broker"
	"github.com/strandlog/strand/commitlog"
)

// clusterSize is the number of nodes, each of which has a copy of everything.
const clusterSize = 3

// replicatedRows are durable conditional appends to a cluster, all of whose nodes share the machine.
func replicatedRows() []row {
	const writers = 64
	base := fmt.Sprintf("append/cond/%dw/r3", writers)
	return []row{{
		name: base, group: base, peers: []string{"jetstream", "engine"},
		what:    fmt.Sprintf("conditional appends of 1 event to 3 nodes, %d goroutines on one connection to the leader, 10k streams, 1 partition", writers),
		columns: []column{{unit: "events/s", targets: []target{{system: "jetstream", limit: 8}}}},
		probe:   replicatedProbe(writers, 1),
	}, {
		name: base + "/8c", group: base, peers: []string{"jetstream"},
		what:    "the same on 8 connections, so that several requests are under way",
		columns: []column{{unit: "events/s"}},
		probe:   replicatedProbe(writers, 8),
	}}
}

func replicatedProbe(writers, connections int) func(*strand) workload.Prober {
	return func(s *strand) workload.Prober {
		var topic *commitlog.Topic
		var versions []int64
		var clients []*commitlog.Client
		return func(ctx context.Context, task workload.Task) (workload.Result, error) {
			if s.cluster == nil {
				c, err := startCluster(ctx, filepath.Join(s.dir, "cluster"))
				if err != nil {
					return workload.Result{}, err
				}
				s.cluster = c
			}
			if topic == nil {
				created, err := s.cluster.create(ctx, profileName(task.Bench))
				if err != nil {
					return workload.Result{}, err
				}
				topic, versions = &created, make([]int64, task.Scale.Streams)
				if clients, err = s.cluster.dial(ctx, created, connections); err != nil {
					return workload.Result{}, err
				}
			}
			var done workload.Done
			err := profiled(s.profiles, profileName(task.Bench), s.cluster.roles(*topic), func() (err error) {
				done, err = s.append(ctx, clients, *topic, writers, task, versions)
				return err
			})
			return workload.Result{Values: []float64{done.PerSecond()}, Note: "R3 fsync on each node, tcp 256B; partitions=1; " + done.Quantiles()}, err
		}
	}
}

// cluster is several brokers, and clients of theirs.
type cluster struct {
	nodes   []*process.Child
	clients []*commitlog.Client
}

// clusterNode is what a process that is a node of a cluster is given.
type clusterNode struct {
	Node, Listen string
	Peers        []string
}

func (n clusterNode) config() *broker.ClusterConfig {
	return &broker.ClusterConfig{Name: "bench", Node: n.Node, Listen: n.Listen, Peers: n.Peers, Secret: "of this run"}
}

func startCluster(ctx context.Context, dir string) (*cluster, error) {
	at, err := process.Addresses(ctx, clusterSize)
	if err != nil {
		return nil, err
	}
	c := &cluster{nodes: make([]*process.Child, clusterSize)}
	errs := make([]error, clusterSize)
	var group sync.WaitGroup
	for i := range clusterSize { // at once: each waits for others
		cfg := clusterNode{Node: nodeName(i), Listen: at[i]}
		for j := range clusterSize {
			if j != i {
				cfg.Peers = append(cfg.Peers, at[j])
			}
		}
		given, err := json.Marshal(cfg)
		if err != nil {
			return nil, errors.Join(err, c.close())
		}
		group.Go(func() {
			c.nodes[i], errs[i] = startBroker(ctx, filepath.Join(dir, cfg.Node), brokerCluster+"="+string(given))
		})
	}
	group.Wait()
	if err := errors.Join(errs...); err != nil {
		return nil, errors.Join(err, c.close())
	}
	return c, nil
}

func nodeName(i int) string { return fmt.Sprintf("node-%d", i+1) }

// create makes a topic of which each node has a copy.
func (c *cluster) create(ctx context.Context, name string) (commitlog.Topic, error) {
	client, err := commitlog.Dial(ctx, c.nodes[0].Ready())
	if err != nil {
		return commitlog.Topic{}, err
	}
	defer func() { _ = client.Close() }()
	return client.CreateTopic(ctx, commitlog.TopicConfig{Name: name, Partitions: 1, Shards: 1, Replicas: clusterSize})
}

// roles are the nodes by what they are to a topic of one shard.
func (c *cluster) roles(topic commitlog.Topic) map[string]*process.Child {
	roles := map[string]*process.Child{}
	for i, n := range c.nodes {
		if nodeName(i) == topic.Partitions[0].Leader {
			roles["leader"] = n
		} else {
			roles["replica-"+nodeName(i)] = n
		}
	}
	return roles
}

// dial connects to the node that leads a topic of one shard.
func (c *cluster) dial(ctx context.Context, topic commitlog.Topic, connections int) ([]*commitlog.Client, error) {
	for i, n := range c.nodes {
		if topic.Partitions[0].Leader != nodeName(i) {
			continue
		}
		var clients []*commitlog.Client
		for range connections {
			client, err := commitlog.Dial(ctx, n.Ready())
			if err != nil {
				return nil, err
			}
			clients, c.clients = append(clients, client), append(c.clients, client)
		}
		return clients, nil
	}
	return nil, fmt.Errorf("topic %q is led by %q, which is no node", topic.Name, topic.Partitions[0].Leader)
}

func (c *cluster) close() error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	var errs []error
	for _, client := range c.clients {
		errs = append(errs, client.Close())
	}
	for _, n := range c.nodes {
		if n != nil {
			errs = append(errs, n.Close(ctx))
		}
	}
	return errors.Join(errs...)
}
