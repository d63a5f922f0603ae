package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/strandlog/strand/bench/process"
	"github.com/strandlog/strand/bench/workload"
)

const clusterSize = 3

// clustered makes a server one of several.
func clustered(options *server.Options, routes []string) error {
	host, service, err := net.SplitHostPort(routes[0])
	if err != nil {
		return err
	}
	port, err := strconv.Atoi(service)
	if err != nil {
		return err
	}
	options.ServerName = serverName(service)
	options.Cluster = server.ClusterOpts{Name: "bench", Host: host, Port: port}
	for _, route := range routes[1:] {
		options.Routes = append(options.Routes, &url.URL{Scheme: "nats-route", Host: route})
	}
	return nil
}

// natsCluster is several servers, and connections to them.
type natsCluster struct {
	names   []string
	servers []*process.Child
	nodes   []*natsNode
}

func startNATSCluster(ctx context.Context, dir string) (*natsCluster, error) {
	at, err := process.Addresses(ctx, clusterSize)
	if err != nil {
		return nil, err
	}
	c := &natsCluster{servers: make([]*process.Child, clusterSize)}
	errs := make([]error, clusterSize)
	var group sync.WaitGroup
	for i := range clusterSize {
		routes := append(append([]string{}, at[i:]...), at[:i]...)
		_, port, err := net.SplitHostPort(at[i])
		if err != nil {
			return nil, err
		}
		c.names = append(c.names, serverName(port))
		group.Go(func() {
			c.servers[i], errs[i] = startServer(ctx, serverDir+"="+filepath.Join(dir, strconv.Itoa(i)), serverSync+"=yes", serverCluster+"="+strings.Join(routes, " "))
		})
	}
	group.Wait()
	if err := errors.Join(errs...); err != nil {
		return nil, errors.Join(err, c.close())
	}
	return c, nil
}

func serverName(port string) string { return "peer-" + port }

// connect makes a stream of three copies and connects to the server that leads it.
func (c *natsCluster) connect(ctx context.Context, stream string, connections int) ([]*natsNode, error) {
	leader, err := c.create(ctx, stream)
	if err != nil {
		return nil, err
	}
	at := slices.Index(c.names, leader)
	if at < 0 {
		return nil, fmt.Errorf("the stream is led by %q, which is no server", leader)
	}
	var nodes []*natsNode
	for range connections {
		n, err := connectNATS(c.servers[at])
		if err != nil {
			return nil, err
		}
		nodes, c.nodes = append(nodes, n), append(c.nodes, n)
	}
	return nodes, nil
}

// create makes the stream, as soon as the servers have agreed on who may.
func (c *natsCluster) create(ctx context.Context, stream string) (leader string, err error) {
	n, err := connectNATS(c.servers[0])
	if err != nil {
		return "", err
	}
	defer n.conn.Close()
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	for {
		trying, stop := context.WithTimeout(ctx, 5*time.Second)
		s, err := n.js.CreateOrUpdateStream(trying, jetstream.StreamConfig{
			Name: stream, Subjects: []string{stream + ".>"}, Storage: jetstream.FileStorage, AllowDirect: true, Replicas: clusterSize,
		})
		if err == nil {
			var info *jetstream.StreamInfo
			if info, err = s.Info(trying); err == nil && info.Cluster != nil && info.Cluster.Leader != "" {
				stop()
				return info.Cluster.Leader, nil
			}
		}
		stop()
		select {
		case <-time.After(200 * time.Millisecond):
		case <-ctx.Done():
			return "", fmt.Errorf("creating stream %s of %d copies: %w", stream, clusterSize, errors.Join(ctx.Err(), err))
		}
	}
}

func (c *natsCluster) close() error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	for _, n := range c.nodes {
		n.conn.Close()
	}
	var errs []error
	for _, s := range c.servers {
		if s != nil {
			errs = append(errs, s.Close(ctx))
		}
	}
	return errors.Join(errs...)
}

// startCluster starts the servers that everything with copies shares.
func (p *natsPeer) startCluster(ctx context.Context) (err error) {
	if p.cluster == nil {
		p.cluster, err = startNATSCluster(ctx, p.path("cluster"))
	}
	return err
}

// clusterProbers do what appendProbers do, on three servers.
func (p *natsPeer) clusterProbers() map[string]workload.Prober {
	const writers = 64
	random := workload.NewRandom()
	probers := map[string]workload.Prober{}
	for suffix, connections := range map[string]int{"": 1, "/8c": 8} {
		name := fmt.Sprintf("r3c%d", connections)
		var nodes []*natsNode
		var last []uint64
		probers[fmt.Sprintf("append/cond/%dw/r3%s", writers, suffix)] = func(ctx context.Context, task workload.Task) (workload.Result, error) {
			if err := p.startCluster(ctx); err != nil {
				return workload.Result{}, err
			}
			if nodes == nil {
				connected, err := p.cluster.connect(ctx, name, connections)
				if err != nil {
					return workload.Result{}, err
				}
				nodes, last = connected, make([]uint64, task.Scale.Streams)
			}
			done, err := appendTo(ctx, nodes, name, writers, task, last, random)
			return workload.Result{Values: []float64{done.PerSecond()}, Note: "R3 SyncAlways tcp 256B; expected sequence per subject; " + done.Quantiles()}, err
		}
	}
	return probers
}
