package telemetry

import (
	"cmp"
	"context"
	"fmt"

	"github.com/strandlog/strand/aggregates"
	"github.com/strandlog/strand/commitlog"
	"github.com/strandlog/strand/eventstore"
	"github.com/strandlog/strand/projections"
	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/trace"
	"go.opentelemetry.io/otel/trace/noop"
)

// Config says where metrics and traces go. The zero value works.
type Config struct {
	MeterProvider  metric.MeterProvider // default: OpenTelemetry's global one
	TracerProvider trace.TracerProvider // default: OpenTelemetry's global one
	System         string               // the attribute messaging.system, default "brokerd"
}

// Telemetry observes clients, stores, repositories and projections. One is enough for a program.
type Telemetry struct {
	tracer trace.Tracer
	quiet  bool // the tracer makes no spans
	instruments
	spans    spans
	outcomes outcomes
	runs     runs
	gauges   metric.Registration
}

// Telemetry is all observers at once.
var (
	_ commitlog.Observer   = (*Telemetry)(nil)
	_ eventstore.Observer  = (*Telemetry)(nil)
	_ aggregates.Observer  = (*Telemetry)(nil)
	_ projections.Observer = (*Telemetry)(nil)
)

// scope is the instrumentation scope of all metrics and spans.
const scope = "github.com/strandlog/strand/telemetry"

// New makes what observes. An error is the meter's, which refused an instrument.
func New(cfg Config) (*Telemetry, error) {
	if cfg.MeterProvider == nil {
		cfg.MeterProvider = otel.GetMeterProvider()
	}
	if cfg.TracerProvider == nil {
		cfg.TracerProvider = otel.GetTracerProvider()
	}
	system := cmp.Or(cfg.System, "brokerd")
	t := &Telemetry{tracer: cfg.TracerProvider.Tracer(scope), spans: newSpans(system), outcomes: newOutcomes(system)}
	_, t.quiet = cfg.TracerProvider.(noop.TracerProvider)
	meter := cfg.MeterProvider.Meter(scope)
	if err := t.create(meter); err != nil {
		return nil, fmt.Errorf("telemetry: creating the instruments: %w", err)
	}
	var err error
	if t.gauges, err = meter.RegisterCallback(func(ctx context.Context, o metric.Observer) error { return t.collect(ctx, o) },
		t.lag, t.lagTime, t.status, t.progress); err != nil {
		return nil, fmt.Errorf("telemetry: registering the gauges: %w", err)
	}
	return t, nil
}

// Close takes the gauges of projections back. What is observed after that is still counted.
func (t *Telemetry) Close() error {
	if err := t.gauges.Unregister(); err != nil {
		return fmt.Errorf("telemetry: taking the gauges back: %w", err)
	}
	return nil
}
