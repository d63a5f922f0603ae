package main

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"github.com/strandlog/strand/commitlog"
)

// TestRestartKeepsTheData stops a node in both ways, and asks the next one for what the first was given.
func TestRestartKeepsTheData(t *testing.T) {
	tests := map[string]struct {
		signals []syscall.Signal
		codes   []int // the system says which of two signals comes first
	}{
		"SIGTERM":     {[]syscall.Signal{syscall.SIGTERM}, []int{exitOK}},
		"SIGINT":      {[]syscall.Signal{syscall.SIGINT}, []int{exitOK}},
		"two signals": {[]syscall.Signal{syscall.SIGINT, syscall.SIGTERM}, []int{128 + int(syscall.SIGINT), 128 + int(syscall.SIGTERM)}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			if err := os.WriteFile(filepath.Join(dir, "brokerd.yaml"), []byte("data_dir: data\nlisten: 127.0.0.1:0\n"), 0o600); err != nil {
				t.Fatal(err)
			}
			p := serve(t, dir)
			id := appendEvent(t, p.url)
			began := time.Now()
			if err := p.signal(test.signals...); err != nil {
				t.Fatal(err)
			}
			code, err := p.exitCode()
			if err != nil {
				t.Fatal(err)
			}
			t.Logf("exit code %d after %s", code, time.Since(began).Round(time.Millisecond))
			if !slices.Contains(test.codes, code) {
				t.Errorf("exit code %d, want one of %d: %s", code, test.codes, p.stderr)
			}
			if diff := cmp.Diff([]uuid.UUID{id}, events(t, serve(t, dir).url)); diff != "" {
				t.Errorf("events after the restart (-want +got):\n%s", diff)
			}
		})
	}
}

func serve(t *testing.T, dir string) *process {
	t.Helper()
	began := time.Now()
	p, err := start(dir, "serve", "-c", "brokerd.yaml")
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("ready %s after the start of the process", time.Since(began).Round(time.Millisecond))
	t.Cleanup(p.kill)
	return p
}

// appendEvent creates a topic and stores one event in it.
func appendEvent(t *testing.T, url string) uuid.UUID {
	t.Helper()
	client := dial(t, url)
	topic, err := client.CreateTopic(t.Context(), commitlog.TopicConfig{Name: "events", Partitions: 1})
	if err != nil {
		t.Fatal(err)
	}
	event := commitlog.NewRecord{ID: uuid.New(), Value: []byte(`{"amount":1}`)}
	write := commitlog.Write{Stream: "account-alice", Events: []commitlog.NewRecord{event}}
	if _, err := client.Append(t.Context(), topic, commitlog.Append{Writes: []commitlog.Write{write}}); err != nil {
		t.Fatal(err)
	}
	return event.ID
}

func events(t *testing.T, url string) []uuid.UUID {
	t.Helper()
	client := dial(t, url)
	topic, err := client.Topic(t.Context(), "events")
	if err != nil {
		t.Fatal(err)
	}
	var ids []uuid.UUID
	for r, err := range client.Records(t.Context(), topic, 0, commitlog.Range{}) {
		if err != nil {
			t.Fatal(err)
		}
		ids = append(ids, uuid.UUID(r.Headers[0].Value))
	}
	return ids
}

func dial(t *testing.T, url string) *commitlog.Client {
	t.Helper()
	client, err := commitlog.Dial(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { client.Close() })
	return client
}

// TestRunEndsWithItsContext runs the program in this process, as a test of a larger program would.
func TestRunEndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	p := &process{stdout: newTranscript(), stderr: newTranscript(), ended: make(chan struct{})}
	var code int
	go func() {
		defer close(p.ended)
		code = run(ctx, []string{"brokerd", "dev", "--listen", "127.0.0.1:0"}, p.stdout, p.stderr)
	}()
	dir, err := p.stdout.await(devDir, p.ended)
	if err != nil {
		t.Fatalf("%v: %s", err, p.stderr)
	}
	cancel()
	<-p.ended
	if code != exitOK {
		t.Errorf("exit code %d: %s", code, p.stderr)
	}
	if _, err := os.Stat(dir); !os.IsNotExist(err) {
		t.Errorf("the temporary directory %s is left: %v", dir, err)
	}
}
