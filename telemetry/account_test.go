package telemetry_test

import (
	"errors"
	"testing"

	"github.com/strandlog/strand/aggregates"
	"github.com/strandlog/strand/eventstore"
	"github.com/strandlog/strand/projections"
	"github.com/strandlog/strand/telemetry"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
)

type Account struct{ Balance int }

type Deposited struct{ Amount int }

func (e Deposited) Evolve(a *Account) { a.Balance += e.Amount }

type Deposit struct{ Amount int }

var errNothing = errors.New("a deposit of nothing")

func (c Deposit) Decide(Account) ([]aggregates.Event[Account], error) {
	if c.Amount == 0 {
		return nil, errNothing
	}
	return []aggregates.Event[Account]{Deposited(c)}, nil
}

var account = aggregates.Type[Account]{Name: "account", Events: map[string]aggregates.Event[Account]{"deposited": Deposited{}}}

var balances = projections.Define("balances", projections.Fold(func(row *int, e eventstore.Recorded[Deposited]) { *row += e.Data.Amount }))

// observed is a telemetry and what it made.
type observed struct {
	*telemetry.Telemetry
	provider *sdktrace.TracerProvider
	spans    *tracetest.InMemoryExporter
	metrics  *sdkmetric.ManualReader
}

func observe(t *testing.T) observed {
	t.Helper()
	o := observed{spans: tracetest.NewInMemoryExporter(), metrics: sdkmetric.NewManualReader()}
	o.provider = sdktrace.NewTracerProvider(sdktrace.WithSyncer(o.spans))
	var err error
	o.Telemetry, err = telemetry.New(telemetry.Config{
		TracerProvider: o.provider, MeterProvider: sdkmetric.NewMeterProvider(sdkmetric.WithReader(o.metrics)),
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := o.Close(); err != nil {
			t.Error(err)
		}
	})
	return o
}

// span returns the only span of a name.
func (o observed) span(t *testing.T, name string) tracetest.SpanStub {
	t.Helper()
	var found []tracetest.SpanStub
	var names []string
	for _, s := range o.spans.GetSpans() {
		names = append(names, s.Name)
		if s.Name == name {
			found = append(found, s)
		}
	}
	if len(found) != 1 {
		t.Fatalf("%d spans %q among %q, want one", len(found), name, names)
	}
	return found[0]
}

// collect returns what the metrics say now, by name.
func (o observed) collect(t *testing.T) map[string]metricdata.Metrics {
	t.Helper()
	var rm metricdata.ResourceMetrics
	if err := o.metrics.Collect(t.Context(), &rm); err != nil {
		t.Fatal(err)
	}
	all := map[string]metricdata.Metrics{}
	for _, s := range rm.ScopeMetrics {
		for _, m := range s.Metrics {
			all[m.Name] = m
		}
	}
	return all
}

func attributesOf(s tracetest.SpanStub) map[string]any {
	all := map[string]any{}
	for _, a := range s.Attributes {
		all[string(a.Key)] = a.Value.AsInterface()
	}
	return all
}
