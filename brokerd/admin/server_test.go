package admin_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/strandlog/strand/brokerd/admin"
)

func serve(t *testing.T, cfg admin.Config) *admin.Server {
	t.Helper()
	cfg.Listen = "127.0.0.1:0"
	s, err := admin.Start(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(context.WithoutCancel(t.Context())); err != nil {
			t.Error(err)
		}
		http.DefaultClient.CloseIdleConnections()
	})
	return s
}

func get(t *testing.T, url string) (status int, body string) {
	t.Helper()
	r, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close()
	b, err := io.ReadAll(r.Body)
	if err != nil {
		t.Fatal(err)
	}
	return r.StatusCode, string(b)
}

func TestHealth(t *testing.T) {
	var problems []admin.Problem
	s := serve(t, admin.Config{Problems: func() []admin.Problem { return problems }})
	want := func(path string, wantStatus int, wantBody string) {
		t.Helper()
		status, body := get(t, s.URL()+path)
		if status != wantStatus {
			t.Errorf("%s answers %d, want %d", path, status, wantStatus)
		}
		if diff := cmp.Diff(wantBody, body); diff != "" {
			t.Errorf("%s (-want +got):\n%s", path, diff)
		}
	}
	want("/livez", 200, "the process lives\n")
	want("/readyz", 200, "ready\n")
	want("/readyz?format=json", 200, `{"ready":true,"problems":[]}`+"\n")

	problems = []admin.Problem{{What: "storage", Why: "the disk is full"}, {What: `shard 1 of topic "events"`, Why: "fencing"}}
	want("/livez", 200, "the process lives\n")
	want("/readyz", 503, "not ready\nstorage: the disk is full\nshard 1 of topic \"events\": fencing\n")
	want("/readyz?format=json", 503, `{"ready":false,"problems":[{"what":"storage","why":"the disk is full"},{"what":"shard 1 of topic \"events\"","why":"fencing"}]}`+"\n")

	problems = nil
	for i := range 50 {
		problems = append(problems, admin.Problem{What: fmt.Sprint("shard ", i), Why: "fencing"})
	}
	if status, body := get(t, s.URL()+"/readyz"); status != 503 || strings.Count(body, "\n") != 22 || !strings.HasSuffix(body, "and 30 more\n") {
		t.Errorf("the answer is not bounded: %d\n%s", status, body)
	}
}

func TestWhatIsNotConfiguredIsNotFound(t *testing.T) {
	s := serve(t, admin.Config{})
	for _, path := range []string{"/metrics", "/debug/pprof/", "/debug/pprof/heap", "/debug/pprof/cmdline", "/"} {
		if status, _ := get(t, s.URL()+path); status != http.StatusNotFound {
			t.Errorf("%s answers %d", path, status)
		}
	}
	if r, err := http.Post(s.URL()+"/readyz", "text/plain", nil); err != nil || r.StatusCode != http.StatusMethodNotAllowed {
		t.Errorf("POST: %v, %v", r, err)
	} else {
		r.Body.Close()
	}
}

func TestMetricsAndProfiles(t *testing.T) {
	s := serve(t, admin.Config{Pprof: true, Metrics: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "up 1\n") })})
	for path, part := range map[string]string{"/metrics": "up 1", "/debug/pprof/": "goroutine", "/debug/pprof/goroutine?debug=1": "goroutine profile", "/debug/pprof/cmdline": "admin.test"} {
		if status, body := get(t, s.URL()+path); status != 200 || !strings.Contains(body, part) {
			t.Errorf("%s answers %d without %q", path, status, part)
		}
	}
}

func TestStartRefuses(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	for address, want := range map[string]error{"0.0.0.0:0": admin.ErrRemote, ":0": admin.ErrRemote, "example.org:0": admin.ErrRemote, "here": admin.ErrListen, taken.Addr().String(): admin.ErrListen} {
		s, err := admin.Start(t.Context(), admin.Config{Listen: address})
		if err == nil {
			s.Close(t.Context())
		}
		if !errors.Is(err, want) || !errors.Is(err, admin.ErrListen) || !strings.Contains(err.Error(), address) {
			t.Errorf("%s: %v, want %v", address, err, want)
		}
	}
}

// TestCloseDoesNotWaitForIdleConnections has more connections than there is room for.
func TestCloseDoesNotWaitForIdleConnections(t *testing.T) {
	s, err := admin.Start(t.Context(), admin.Config{Listen: "127.0.0.1:0"})
	if err != nil {
		t.Fatal(err)
	}
	for range 70 {
		c, err := net.Dial("tcp", strings.TrimPrefix(s.URL(), "http://"))
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for range 2 {
		if err := s.Close(ctx); err != nil {
			t.Errorf("Close: %v", err)
		}
	}
}
