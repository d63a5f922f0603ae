package metrics_test

import (
	"bytes"
	"encoding/hex"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"sync"
	"testing"

	"github.com/strandlog/strand/brokerd/metrics"
	"github.com/strandlog/strand/commitlog"
)

// collector takes OTLP over HTTP and keeps what it was sent, by path.
type collector struct {
	mu   sync.Mutex
	sent map[string][]byte
}

func (c *collector) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil || r.Header.Get("Content-Type") != "application/x-protobuf" {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.sent[r.URL.Path] = append(c.sent[r.URL.Path], body...)
}

// TestTracesOfRequests appends with and without a trace, and looks at what a collector gets.
func TestTracesOfRequests(t *testing.T) {
	c := &collector{sent: map[string][]byte{}}
	server := httptest.NewServer(c)
	defer server.Close()
	t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", server.URL) // the exporters look for themselves
	b, m := started(t, metrics.Config{Env: os.Getenv})
	for name, traceparent := range map[string]string{
		"sampled": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
		"other":   "00-1bf7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00",
		"none":    "",
	} {
		topic, err := b.Client().CreateTopic(t.Context(), commitlog.TopicConfig{Name: name})
		if err != nil {
			t.Fatal(err)
		}
		e := commitlog.NewRecord{Value: []byte("1")}
		if traceparent != "" {
			e.Headers = []commitlog.Header{{Key: "traceparent", Value: []byte(traceparent)}}
		}
		if _, err := b.Client().Append(t.Context(), topic, commitlog.Append{Writes: []commitlog.Write{{Stream: "account-alice", Events: []commitlog.NewRecord{e}}}}); err != nil {
			t.Fatal(err)
		}
	}
	if err := m.Close(t.Context()); err != nil { // sends what is left
		t.Fatal(err)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	trace, err := hex.DecodeString("0af7651916cd43dd8448eb211c80319c")
	if err != nil {
		t.Fatal(err)
	}
	traces := c.sent["/v1/traces"]
	if !bytes.Contains(traces, []byte("store sampled")) || !bytes.Contains(traces, trace) {
		t.Errorf("the span of the sampled trace is missing in %q", traces)
	}
	if bytes.Contains(traces, []byte("store other")) || bytes.Contains(traces, []byte("store none")) {
		t.Errorf("there are spans that nobody asked for in %q", traces)
	}
	if !bytes.Contains(c.sent["/v1/metrics"], []byte("brokerd.append.duration")) {
		t.Error("the metrics were not sent")
	}
}
