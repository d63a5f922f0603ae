package telemetry_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/strandlog/strand/aggregates"
	"github.com/strandlog/strand/commitlog"
	"github.com/strandlog/strand/eventstore"
	"github.com/strandlog/strand/projections"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
)

// sums are the values of a counter or a gauge, by their labels.
func sums(m metricdata.Metrics) map[string]int64 {
	all := map[string]int64{}
	var points []metricdata.DataPoint[int64]
	switch data := m.Data.(type) {
	case metricdata.Sum[int64]:
		points = data.DataPoints
	case metricdata.Gauge[int64]:
		points = data.DataPoints
	}
	for _, p := range points {
		all[p.Attributes.Encoded(attribute.DefaultEncoder())] = p.Value
	}
	return all
}

func TestMetrics(t *testing.T) {
	o := observe(t)
	store, err := eventstore.Open(t.Context(), eventstore.NewMemory(), eventstore.Config{Observer: o, Partitions: 1}, account)
	if err != nil {
		t.Fatal(err)
	}
	accounts := aggregates.NewRepository(store, account, aggregates.RepositoryConfig{Observer: o})
	for range 3 {
		if _, err := accounts.Handle(t.Context(), "alice", Deposit{5}); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := store.Append(t.Context(), "account-alice", 1, Deposited{1}); !errors.Is(err, eventstore.ErrConflict) {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	sink := projections.NewMemory[int]()
	go func() { ended <- projections.Run(ctx, store, balances, sink, projections.Observe(o)) }()
	last, err := store.Append(t.Context(), "account-bob", eventstore.Any, Deposited{1}, Deposited{2})
	if err != nil {
		t.Fatal(err)
	}
	if err := projections.Await(t.Context(), balances, sink, last.Position); err != nil {
		t.Fatal(err)
	}

	got := o.collect(t)
	for name, want := range map[string]map[string]int64{
		"eventstore.append.events":    {"category=account": 5},
		"eventstore.append.conflicts": {"category=account": 1},
		"projection.lag":              {"projection=balances,version=1": 0},
		"projection.status": {
			"projection=balances,state=running,version=1": 1, "projection=balances,state=catching_up,version=1": 0,
			"projection=balances,state=stopped,version=1": 0, "projection=balances,state=failed,version=1": 0,
		},
	} {
		if diff := cmp.Diff(want, sums(got[name])); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
	durations, ok := got["eventstore.append.duration"].Data.(metricdata.Histogram[float64])
	if !ok || len(durations.DataPoints) != 2 || durations.DataPoints[0].Bounds[0] != 0.0001 || durations.DataPoints[0].Bounds[15] != 10 {
		t.Errorf("durations are %+v, want those of successes and of conflicts, from 100 µs to 10 s", got["eventstore.append.duration"])
	}

	stop()
	if err := <-ended; err != nil {
		t.Fatal(err)
	}
	got = o.collect(t)
	if n := sums(got["projection.events"])["projection=balances,version=1"]; n != 5 {
		t.Errorf("%d events were projected, want 5", n)
	}
	if got := sums(got["projection.status"])["projection=balances,state=stopped,version=1"]; got != 1 {
		t.Error("a projection that was told to stop is not stopped")
	}
	refusing := projections.Define("refusing", projections.On(func(context.Context, *projections.Rows[int], eventstore.Recorded[Deposited]) error { return errNothing }))
	if err := projections.CatchUp(t.Context(), store, refusing, projections.NewMemory[int](), projections.Observe(o)); !errors.Is(err, errNothing) {
		t.Fatal(err)
	}
	got = o.collect(t)
	if n := sums(got["projection.errors"])["error.type=handler,projection=refusing,version=1"]; n != 1 {
		t.Errorf("errors are %v", sums(got["projection.errors"]))
	}
	if got := sums(got["projection.status"])["projection=refusing,state=failed,version=1"]; got != 1 {
		t.Error("a projection that failed is not failed")
	}
}

// TestLabelsAreBounded has more topics come than there is room for.
func TestLabelsAreBounded(t *testing.T) {
	o := observe(t)
	for i := range 3000 {
		_, done := o.SendStart(t.Context(), commitlog.SendInfo{Topic: fmt.Sprint("topic-", i), Records: 1})
		done(commitlog.SendResult{})
	}
	got := sums(o.collect(t)["messaging.client.sent.messages"])
	if len(got) > 1001 {
		t.Errorf("%d series of one metric", len(got))
	}
	all := int64(0)
	for _, n := range got {
		all += n
	}
	if all != 3000 {
		t.Errorf("%d records are counted, want 3000", all)
	}
}

// TestTheTableOfMetrics compares what can be measured with what docs/metrics.md says a program has.
func TestTheTableOfMetrics(t *testing.T) {
	text, err := os.ReadFile("../docs/metrics.md")
	if err != nil {
		t.Fatal(err)
	}
	_, section, _ := strings.Cut(string(text), "\n## Of a program\n")
	section, _, _ = strings.Cut(section, "\n## ")
	var documented []string
	for line := range strings.Lines(section) {
		if cells := strings.Split(line, "|"); len(cells) > 4 && strings.HasPrefix(cells[1], " `") {
			documented = append(documented, strings.Trim(cells[1], " `"))
		}
	}
	o := observe(t)
	for _, class := range []error{nil, errNothing} {
		_, sent := o.SendStart(t.Context(), commitlog.SendInfo{Topic: "t"})
		sent(commitlog.SendResult{Err: class})
		_, fetched := o.FetchStart(t.Context(), commitlog.FetchInfo{Topic: "t"})
		fetched(commitlog.FetchResult{Err: class})
		_, appended := o.AppendStart(t.Context(), eventstore.AppendInfo{Category: "c", Events: 1})
		appended(eventstore.AppendResult{Conflict: class != nil, Err: class})
		_, loaded := o.LoadStart(t.Context(), eventstore.LoadInfo{Category: "c"})
		loaded(eventstore.LoadResult{Err: class})
		_, handled := o.HandleStart(t.Context(), aggregates.HandleInfo{Category: "c"})
		handled(aggregates.HandleResult{Retries: 1, Err: class})
		_, projected := o.BatchStart(t.Context(), projections.BatchInfo{Projection: projections.ID{Name: "p"}, Replay: true})
		projected(projections.BatchResult{Err: class})
		_, ran := o.RunStart(t.Context(), projections.RunInfo{Projection: projections.ID{Name: "ended"}})
		ran(projections.RunResult{Err: class})
	}
	_, ran := o.RunStart(t.Context(), projections.RunInfo{
		Projection: projections.ID{Name: "p"},
		Lag:        func(context.Context) (projections.Behind, error) { return projections.Behind{Events: 1}, nil },
		Progress:   func() projections.Progress { return projections.Progress{Done: 1, Total: 2} },
	})
	defer ran(projections.RunResult{})
	measured := slices.Collect(maps.Keys(o.collect(t)))
	slices.Sort(measured)
	slices.Sort(documented)
	if diff := cmp.Diff(documented, measured); diff != "" {
		t.Errorf("docs/metrics.md and what is measured differ (-documented +measured):\n%s", diff)
	}
}
