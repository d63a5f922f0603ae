package broker

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/google/uuid"
	"github.com/nats-io/nats.go"
	"github.com/strandlog/strand/brokerd/engine"
	"github.com/strandlog/strand/brokerd/topics"
	"github.com/strandlog/strand/internal/wire"
)

const (
	aliveEvery      = 500 * time.Millisecond
	aliveMax        = 3 * time.Second // without a sign of life, a node counts as gone
	askTimeout      = 500 * time.Millisecond
	replicasMaxAge  = 500 * time.Millisecond // of what the engine said of a stream's copies
	subjectAlive    = "node.alive"
	subjectShardsOf = "node.shards." // and a node's name
)

// members is what a node of a cluster knows of the others: who is alive, and what they say of their shards. Nothing rests on it: a wrong answer costs
// a client another question.
type members struct {
	node    string
	size    int // nodes of the cluster
	url     string
	program string // its version
	engine  *engine.Engine
	conn    *nats.Conn // in the log's account, where clients cannot be
	logger  *slog.Logger

	leads atomic.Int32 // shards that this node leads

	ctx  context.Context //nolint:containedctx // the lifetime of the answers that close ends
	stop context.CancelFunc
	done sync.WaitGroup

	mu       sync.Mutex
	seen     map[string]seen
	replicas map[string]replicas // of engine streams that this node leads
}

// seen is a node's newest sign of life.
type seen struct {
	at    time.Time
	url   string
	leads int

	version string
}

// replicas are the copies of an engine stream, as of a moment ago.
type replicas struct {
	at   time.Time
	list []engine.Replica
}

// alive is a sign of life.
type alive struct {
	Node  string `json:"node"`
	URL   string `json:"url"`
	Leads int    `json:"leads"` // shards

	Version string `json:"version,omitempty"`
}

func joinMembers(ctx context.Context, e *engine.Engine, node string, size int, logger *slog.Logger) (*members, error) {
	conn, err := e.LogConn(nats.Name("members"))
	if err != nil {
		return nil, err
	}
	m := &members{node: node, size: size, url: e.ClientURL(), program: Version(), engine: e, conn: conn, logger: logger, seen: map[string]seen{}, replicas: map[string]replicas{}}
	if _, err := conn.Subscribe(subjectAlive, m.heard); err != nil {
		conn.Close()
		return nil, fmt.Errorf("listening for the other nodes: %w", err)
	}
	m.ctx, m.stop = context.WithCancel(context.WithoutCancel(ctx))
	m.done.Go(func() { m.beat(m.ctx) })
	return m, nil
}

// serve answers what other nodes ask of this one's shards.
func (m *members) serve(local func(ctx context.Context, topic uuid.UUID) []wire.ShardInfo) error {
	_, err := m.conn.Subscribe(subjectShardsOf+m.node, func(msg *nats.Msg) {
		id, err := uuid.ParseBytes(msg.Data)
		if err != nil {
			return
		}
		m.done.Go(func() {
			answer, err := json.Marshal(local(m.ctx, id))
			if err == nil {
				err = msg.Respond(answer)
			}
			if err != nil && !errors.Is(err, nats.ErrConnectionClosed) {
				m.logger.Warn("another node's question could not be answered", "error", err)
			}
		})
	})
	return err
}

func (m *members) beat(ctx context.Context) {
	tick := time.NewTicker(aliveEvery)
	defer tick.Stop()
	var err error
	for err == nil {
		var sign []byte
		if sign, err = json.Marshal(alive{Node: m.node, URL: m.url, Leads: int(m.leads.Load()), Version: m.program}); err == nil {
			err = m.conn.Publish(subjectAlive, sign)
		}
		if err != nil {
			break
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
	m.logger.Error("the other nodes cannot be told that this one is alive", "error", err)
}

func (m *members) heard(msg *nats.Msg) {
	var a alive
	if err := json.Unmarshal(msg.Data, &a); err != nil || a.Node == "" || a.Node == m.node {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if _, known := m.seen[a.Node]; !known && len(m.seen) >= m.size-1 {
		m.forgetOne()
	}
	m.seen[a.Node] = seen{at: time.Now(), url: a.URL, leads: a.Leads, version: a.Version}
}

// forgetOne makes room for a node that took another one's place.
func (m *members) forgetOne() {
	var oldest string
	for node, s := range m.seen {
		if oldest == "" || s.at.Before(m.seen[oldest].at) {
			oldest = node
		}
	}
	delete(m.seen, oldest)
}

func (m *members) close(context.Context) error {
	m.stop()
	m.conn.Close()
	m.done.Wait()
	return nil
}

func (m *members) nodes() int { return m.size }

// others are the names of the other nodes that are alive.
func (m *members) others() []string {
	m.mu.Lock()
	defer m.mu.Unlock()
	var names []string
	for node, s := range m.seen {
		if time.Since(s.at) < aliveMax {
			names = append(names, node)
		}
	}
	slices.Sort(names)
	return names
}

// idlest is the other node that is alive and leads the fewest shards, and how many those are; empty: there is none.
func (m *members) idlest() (node string, leads int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for name, s := range m.seen {
		if time.Since(s.at) < aliveMax && (node == "" || s.leads < leads || s.leads == leads && name < node) {
			node, leads = name, s.leads
		}
	}
	return node, leads
}

// quorum says whether more than half of the nodes are alive, this one included.
func (m *members) quorum() bool { return 2*(len(m.others())+1) > m.size }

// complete adds what a node of a cluster knows more of a shard that it has a copy of.
func (m *members) complete(ctx context.Context, k *keeper, info *wire.ShardInfo) {
	switch {
	case info.State == wire.ShardServing:
		info.Replicas = []wire.ReplicaInfo{{Node: m.node, Alive: true, InSync: true}}
		for _, r := range m.replicasOf(ctx, k.stream) {
			info.Replicas = append(info.Replicas, wire.ReplicaInfo{Node: r.Node, Alive: r.Silent < aliveMax, InSync: r.InSync, Lag: -1, LagMS: -1}) // see merge
		}
	case (info.State == wire.ShardFencing || info.State == wire.ShardFollow) && !m.quorum():
		info.State, info.Detail = wire.ShardNoQuorum, fmt.Sprintf("node %s hears of %d of the %d others", m.node, len(m.others()), m.size-1)
	}
}

// replicasOf asks the engine for the copies of a stream that this node leads, unless it did a moment ago.
func (m *members) replicasOf(ctx context.Context, stream string) []engine.Replica {
	m.mu.Lock()
	r := m.replicas[stream]
	m.mu.Unlock()
	if time.Since(r.at) < replicasMaxAge {
		return r.list
	}
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	_, list, err := m.engine.Replicas(ctx, stream)
	if err != nil {
		return nil
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.replicas[stream] = replicas{at: time.Now(), list: list}
	return list
}

// shortOf is why a shard has too few copies in sync to take appends. It answers by what was known a moment ago, and has it brought up to date.
func (m *members) shortOf(t topics.Topic, stream string) func() error {
	if m == nil || t.MinInSync <= 1 {
		return nil
	}
	var asking atomic.Bool
	return func() error {
		m.mu.Lock()
		r := m.replicas[stream]
		m.mu.Unlock()
		if age := time.Since(r.at); age >= replicasMaxAge && asking.CompareAndSwap(false, true) {
			m.done.Go(func() {
				defer asking.Store(false)
				m.replicasOf(m.ctx, stream)
			})
			if age > aliveMax {
				return nil // nothing is known: the engine does what it can
			}
		}
		inSync := 1
		for _, replica := range r.list {
			if replica.InSync {
				inSync++
			}
		}
		if inSync < t.MinInSync {
			return fmt.Errorf("%d of at least %d replicas are in sync", inSync, t.MinInSync)
		}
		return nil
	}
}

// merge puts together what all nodes say of a topic's shards: of each the node that serves it by the highest epoch, or else one that says why not.
func (m *members) merge(ctx context.Context, t topics.Topic, own []wire.ShardInfo) []wire.ShardInfo {
	said := append([][]wire.ShardInfo{own}, m.ask(ctx, t.ID)...)
	merged := make([]wire.ShardInfo, t.Shards)
	for i := range merged {
		merged[i] = wire.ShardInfo{Shard: i, State: wire.ShardFollow, Detail: "no node that has a copy of it answers"}
	}
	for _, infos := range said {
		for _, info := range infos {
			if info.Shard < 0 || info.Shard >= len(merged) {
				continue
			}
			if best := &merged[info.Shard]; telling(info) > telling(*best) || telling(info) == telling(*best) && info.Epoch > best.Epoch {
				*best = info
			}
		}
	}
	for i := range merged {
		compare(&merged[i], said)
	}
	return merged
}

// compare tells how far the copies of a shard are behind its leader, by what their nodes say of them.
func compare(leader *wire.ShardInfo, said [][]wire.ShardInfo) {
	if leader.State != wire.ShardServing {
		return
	}
	replicas := slices.Clone(leader.Replicas) // what the leader said may be shown to others
	for i := range replicas {
		r := &replicas[i]
		for _, infos := range said {
			for _, info := range infos {
				if info.Shard == leader.Shard && info.Node == r.Node {
					r.Lag, r.LagMS = behind(leader, &info)
				}
			}
		}
	}
	leader.Replicas = replicas
}

// behind is how many records a copy lacks, and how much older its newest one is than the leader's.
func behind(leader, copied *wire.ShardInfo) (records, ms int64) {
	for _, p := range leader.Partitions {
		lacks := p.HighWatermark
		for _, q := range copied.Partitions {
			if q.Partition == p.Partition {
				lacks -= q.HighWatermark
			}
		}
		records += max(lacks, 0)
	}
	if records > 0 {
		ms = max(leader.Newest-copied.Newest, 0)
	}
	return records, ms
}

// telling ranks what a node says of a shard.
func telling(info wire.ShardInfo) int {
	order := []string{"", wire.ShardFollow, wire.ShardNoQuorum, wire.ShardFencing, wire.ShardRebuilding, wire.ShardNoStorage, wire.ShardDiverged, wire.ShardCorrupt, wire.ShardServing}
	rank := slices.Index(order, info.State)
	if info.Node == "" {
		return 0
	}
	return rank
}

// ask asks the other nodes that are alive for their shards of a topic.
func (m *members) ask(ctx context.Context, topic uuid.UUID) [][]wire.ShardInfo {
	others := m.others()
	answers := make([][]wire.ShardInfo, len(others))
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	var group sync.WaitGroup
	for i, node := range others {
		group.Go(func() {
			msg, err := m.conn.RequestWithContext(ctx, subjectShardsOf+node, []byte(topic.String()))
			if err == nil {
				err = json.Unmarshal(msg.Data, &answers[i])
			}
			if err != nil {
				m.logger.Debug("another node did not say where its shards are", "node", node, "error", err)
			}
		})
	}
	group.Wait()
	return answers
}

// served waits until every shard of a topic is served by some node, for as long as ctx allows.
func (m *members) served(ctx context.Context, t topics.Topic, describe func() []wire.ShardInfo) error {
	pause := time.NewTicker(50 * time.Millisecond)
	defer pause.Stop()
	for {
		if !slices.ContainsFunc(describe(), func(i wire.ShardInfo) bool { return i.State != wire.ShardServing }) {
			return nil
		}
		select {
		case <-pause.C:
		case <-ctx.Done():
			return fmt.Errorf("waiting for the shards of topic %q: %w", t.Name, ctx.Err())
		}
	}
}

// info lists the nodes that were heard of, this one included.
func (m *members) info() []wire.NodeInfo {
	m.mu.Lock()
	defer m.mu.Unlock()
	infos := []wire.NodeInfo{{Node: m.node, URL: m.url, Alive: true, Leads: int(m.leads.Load()), Version: m.program}}
	for node, s := range m.seen {
		infos = append(infos, wire.NodeInfo{Node: node, URL: s.url, Alive: time.Since(s.at) < aliveMax, Leads: s.leads, Version: s.version})
	}
	slices.SortFunc(infos, func(a, b wire.NodeInfo) int { return cmp.Compare(a.Node, b.Node) })
	return infos
}
