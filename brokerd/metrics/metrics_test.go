package metrics_test

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net/http"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/strandlog/strand/brokerd/broker"
	"github.com/strandlog/strand/brokerd/metrics"
	"github.com/strandlog/strand/commitlog"
)

// started is a node that publishes.
func started(t *testing.T, cfg metrics.Config) (*broker.Broker, *metrics.Metrics) {
	t.Helper()
	m, err := metrics.New(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	b, err := broker.Start(t.Context(), broker.Config{Observer: m, Admin: broker.AdminConfig{Listen: "127.0.0.1:0", Metrics: m.Handler()}})
	if err != nil {
		t.Fatal(err)
	}
	m.Watch(b)
	t.Cleanup(func() {
		http.DefaultClient.CloseIdleConnections()
		ctx := context.WithoutCancel(t.Context())
		if err := errors.Join(b.Close(ctx), m.Close(ctx), m.Close(ctx)); err != nil {
			t.Error(err)
		}
	})
	return b, m
}

func scrape(t *testing.T, b *broker.Broker) string {
	t.Helper()
	r, err := http.Get(b.AdminURL() + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close()
	body, err := io.ReadAll(r.Body)
	if err != nil || r.StatusCode != http.StatusOK {
		t.Fatalf("the scrape answers %s: %s (%v)", r.Status, body, err)
	}
	return string(body)
}

// TestTheTableOfMetrics scrapes a node and compares with what docs/metrics.md says a node has.
func TestTheTableOfMetrics(t *testing.T) {
	b, _ := started(t, metrics.Config{Version: "v1"})
	topic, err := b.Client().CreateTopic(t.Context(), commitlog.TopicConfig{Name: "events", Partitions: 2})
	if err != nil {
		t.Fatal(err)
	}
	add := func(expected commitlog.Expected) error {
		_, err := b.Client().Append(t.Context(), topic, commitlog.Append{Writes: []commitlog.Write{{
			Stream: "account-alice", Expected: expected, Events: []commitlog.NewRecord{{Value: []byte("1")}, {Value: []byte("2")}},
		}}})
		return err
	}
	if err := add(commitlog.NoStream); err != nil {
		t.Fatal(err)
	}
	if err := add(commitlog.NoStream); !errors.Is(err, commitlog.ErrConflict) {
		t.Fatal(err)
	}
	var places []commitlog.GroupOffset
	for p := range topic.Partitions {
		places = append(places, commitlog.GroupOffset{Topic: topic.ID, Partition: int32(p)})
	}
	if err := b.Client().ResetOffsets(t.Context(), "dashboard", places, false); err != nil {
		t.Fatal(err)
	}
	text := scrape(t, b)

	var got []string
	for line := range strings.Lines(text) {
		fields := strings.Fields(line)
		if len(fields) != 4 || fields[1] != "TYPE" || strings.HasPrefix(fields[2], "go_") || strings.HasPrefix(fields[2], "process_") {
			continue
		}
		got = append(got, fields[2]+" "+fields[3])
	}
	slices.Sort(got)
	if diff := cmp.Diff(documented(t), got); diff != "" {
		t.Errorf("docs/metrics.md and the scrape differ (-documented +scraped):\n%s", diff)
	}
	for _, want := range []string{
		`(?m)^brokerd_ready 1$`,
		`(?m)^brokerd_appends_total\{outcome="stored",topic="events"\} 1$`,
		`(?m)^brokerd_appends_total\{outcome="conflict",topic="events"\} 1$`,
		`(?m)^brokerd_append_duration_seconds_count\{topic="events"\} 2$`,
		`(?m)^brokerd_append_duration_seconds_bucket\{topic="events",le="0.0001"\} `,
		`(?m)^brokerd_topic_partition_end_offset\{partition="\d",topic="events"\} 2$`,
		`(?m)^brokerd_topic_partition_start_offset\{partition="1",topic="\$catalogue"\}|partition="0",topic="\$catalogue"`,
		`(?m)^brokerd_shard_serving\{shard="0",topic="events"\} 1$`,
		`(?m)^brokerd_group_members\{group="dashboard"\} 0$`,
		`(?m)^brokerd_group_lag\{group="dashboard",partition="\d",topic="events"\} 2$`,
		`(?m)^brokerd_events_total\{shard="0",topic="events"\} 2$`,
		`(?m)^brokerd_log_bytes\{shard="0",topic="events"\} [1-9]`,
		`(?m)^brokerd_disk_free_bytes\{volume="caches"\} [1-9]`,
		`(?m)^target_info\{.*service_name="brokerd",service_version="v1"`,
		`(?m)^go_goroutines `,
		`(?m)^process_resident_memory_bytes `,
	} {
		if !regexp.MustCompile(want).MatchString(text) {
			t.Errorf("no line like %s in\n%s", want, text)
		}
	}
}

// documented are the Prometheus names and types of the table for nodes.
func documented(t *testing.T) []string {
	t.Helper()
	f, err := os.Open("../../docs/metrics.md")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var rows []string
	section := ""
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		line := lines.Text()
		if strings.HasPrefix(line, "## ") {
			section = line
		}
		cells := strings.Split(line, "|")
		if section != "## Of a node" || len(cells) < 5 || !strings.HasPrefix(strings.TrimSpace(cells[1]), "`") {
			continue
		}
		rows = append(rows, strings.Trim(cells[2], " `")+" "+strings.TrimSpace(cells[3]))
	}
	slices.Sort(rows)
	return rows
}

func TestANodeThatIsNotWatchedIsNotReady(t *testing.T) {
	m, err := metrics.New(t.Context(), metrics.Config{})
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close(t.Context())
	b, err := broker.Start(t.Context(), broker.Config{Admin: broker.AdminConfig{Listen: "127.0.0.1:0", Metrics: m.Handler()}})
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close(context.WithoutCancel(t.Context()))
	defer http.DefaultClient.CloseIdleConnections()
	if text := scrape(t, b); !strings.Contains(text, "\nbrokerd_ready 0\n") {
		t.Errorf("it is ready:\n%s", text)
	}
}

func TestOTLPByEnvironment(t *testing.T) {
	for _, tt := range []struct {
		env  map[string]string
		want error
	}{
		{map[string]string{}, nil},
		{map[string]string{"OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}, nil}, // nothing is sent anyway
		{map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1", "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}, metrics.ErrProtocol},
		{map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1", "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc", "OTEL_SDK_DISABLED": "true"}, nil},
		{map[string]string{"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://127.0.0.1:1", "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL": "http/json"}, metrics.ErrProtocol},
		{map[string]string{
			"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1", "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc", "OTEL_TRACES_EXPORTER": "none", "OTEL_METRICS_EXPORTER": "none",
		}, nil},
	} {
		m, err := metrics.New(t.Context(), metrics.Config{Env: func(name string) string { return tt.env[name] }})
		if !errors.Is(err, tt.want) {
			t.Errorf("%v: %v, want %v", tt.env, err, tt.want)
		}
		if err == nil {
			if err := m.Close(t.Context()); err != nil {
				t.Errorf("%v: Close: %v", tt.env, err)
			}
		}
	}
	_, err := metrics.New(t.Context(), metrics.Config{Env: func(name string) string {
		return map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": "x", "OTEL_EXPORTER_OTLP_METRICS_PROTOCOL": "grpc"}[name]
	}})
	if want := "OTEL_EXPORTER_OTLP_METRICS_PROTOCOL=grpc"; err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("the error %v does not say %s", err, want)
	}
}
