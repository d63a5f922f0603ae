package broker

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/strandlog/strand/brokerd/admin"
	"github.com/strandlog/strand/commitlog"
)

func ask(t *testing.T, b *Broker, path string) (status int, body string) {
	t.Helper()
	r, err := http.Get(b.AdminURL() + path)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close()
	text, err := io.ReadAll(r.Body)
	if err != nil {
		t.Fatal(err)
	}
	return r.StatusCode, string(text)
}

func TestANodeIsReadyWhileAllItsShardsServe(t *testing.T) {
	ctx := context.WithoutCancel(t.Context())
	b, err := Start(ctx, Config{Admin: AdminConfig{Listen: "127.0.0.1:0"}})
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close(ctx)
	defer http.DefaultClient.CloseIdleConnections()
	topic, err := b.Client().CreateTopic(ctx, commitlog.TopicConfig{Name: "events", Partitions: 2, Shards: 2})
	if err != nil {
		t.Fatal(err)
	}
	if status, body := ask(t, b, "/readyz"); status != http.StatusOK {
		t.Errorf("a node that serves answers %d: %s", status, body)
	}
	if status, _ := ask(t, b, "/debug/pprof/"); status != http.StatusNotFound {
		t.Errorf("profiles are shown though nobody asked for them: %d", status)
	}
	if st := b.Stats(t.Context()); !st.Ready || len(st.Shards) != 3 || st.Shards[0].Topic != "$catalogue" || st.Shards[2].Shard != 1 || st.LogFree == 0 {
		t.Errorf("it measures %+v", st)
	}

	// One of its shards ends.
	if err := b.shards.of(topic.ID)[1].current().Close(ctx); err != nil {
		t.Fatal(err)
	}
	status, body := ask(t, b, "/readyz")
	if status != http.StatusServiceUnavailable || !strings.Contains(body, `shard 1 of topic "events": `) || strings.Contains(body, "shard 0") {
		t.Errorf("a node with a shard that does not serve answers %d: %s", status, body)
	}
	if status, _ := ask(t, b, "/livez"); status != http.StatusOK {
		t.Errorf("it is not alive: %d", status)
	}
	if b.Stats(t.Context()).Ready {
		t.Error("it measures itself as ready")
	}

	if err := b.Close(ctx); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]admin.Problem{{What: "node", Why: "it is stopping"}}, b.Problems()); diff != "" {
		t.Errorf("after Close (-want +got):\n%s", diff)
	}
	if b.Stats(t.Context()).Shards != nil {
		t.Error("a node that was closed still measures")
	}
}

// TestANodeThatCannotStoreIsNotReady looks past the watch, which would open the admission again.
func TestANodeThatCannotStoreIsNotReady(t *testing.T) {
	b := &Broker{gaveUp: make(chan struct{}), shards: newShards(shardsConfig{})}
	if p := b.Problems(); len(p) != 1 || p[0].Why != "it is starting" {
		t.Errorf("a node that starts says %v", p)
	}
	b.stage.Store(int32(serving))
	b.admission.Refuse(errors.New("the disk of the test is full"))
	if diff := cmp.Diff([]admin.Problem{{What: "storage", Why: "the disk of the test is full"}}, b.Problems()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	b.cause = errors.New("nothing helped")
	close(b.gaveUp)
	if diff := cmp.Diff([]admin.Problem{{What: "node", Why: "nothing helped"}}, b.Problems()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestTheAdminAddressIsTaken(t *testing.T) {
	b, err := Start(t.Context(), Config{Admin: AdminConfig{Listen: "127.0.0.1:0"}})
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close(context.WithoutCancel(t.Context()))
	if _, err := Start(t.Context(), Config{Admin: AdminConfig{Listen: strings.TrimPrefix(b.AdminURL(), "http://")}}); !errors.Is(err, admin.ErrListen) {
		t.Errorf("a second node on the same address: %v", err)
	}
}
