package broker

import (
	"context"
	"fmt"
	"net/http"

	"github.com/strandlog/strand/brokerd/admin"
	"github.com/strandlog/strand/brokerd/shard"
)

// AdminConfig says where a node shows its health, metrics and profiles over HTTP. The zero value shows them nowhere.
type AdminConfig struct {
	// Listen is the host:port; port 0 takes a free one. Empty: no listener.
	Listen string

	// AllowRemote permits a Listen address beyond the loopback interface. Nobody is authenticated.
	AllowRemote bool

	// Metrics answers GET /metrics. Nil: there are none. Package brokerd/metrics makes one.
	Metrics http.Handler

	// Pprof shows profiles. They show what the process holds.
	Pprof bool
}

// stage is how far a node's life has come.
type stage int32

const (
	starting stage = iota
	serving
	stopping
)

// startAdmin comes first and is closed last: a node that starts or stops for long says so.
func (b *Broker) startAdmin(ctx context.Context) error {
	if b.cfg.Admin.Listen == "" {
		return nil
	}
	s, err := admin.Start(ctx, admin.Config{
		Listen: b.cfg.Admin.Listen, AllowRemote: b.cfg.Admin.AllowRemote, Problems: b.Problems, Metrics: b.cfg.Admin.Metrics, Pprof: b.cfg.Admin.Pprof,
		Logger: b.cfg.Logger.With("component", "admin"),
	})
	if err != nil {
		return err
	}
	b.admin = s
	b.onClose("admin listener", s.Close)
	return nil
}

// AdminURL is where health and metrics are shown; empty when they are not.
func (b *Broker) AdminURL() string {
	if b.admin == nil {
		return ""
	}
	return b.admin.URL()
}

// Problems says why the node is not ready: nothing while it can store, and all its shards serve or are copies of what another
// node serves that are up to date.
func (b *Broker) Problems() []admin.Problem {
	switch stage(b.stage.Load()) {
	case starting:
		return []admin.Problem{{What: "node", Why: "it is starting"}}
	case stopping:
		return []admin.Problem{{What: "node", Why: "it is stopping"}}
	}
	var problems []admin.Problem
	if err := b.Err(); err != nil {
		problems = append(problems, admin.Problem{What: "node", Why: err.Error()})
	} else if err := b.Health(); err != nil {
		problems = append(problems, admin.Problem{What: "storage", Why: err.Error()})
	}
	for _, k := range b.shards.all() {
		st := k.current().Status()
		if st.Phase == shard.Serving || st.Phase == shard.Follow && b.engine.IsCurrent(k.stream) {
			continue
		}
		why := "it is " + st.Phase.String()
		if st.Cause != nil {
			why = st.Cause.Error()
		}
		problems = append(problems, admin.Problem{What: fmt.Sprintf("shard %d of topic %q", k.number, k.topic), Why: why})
	}
	return problems
}
