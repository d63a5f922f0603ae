package metrics

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"github.com/strandlog/strand/brokerd/broker"
	"go.opentelemetry.io/otel/attribute"
	otelprometheus "go.opentelemetry.io/otel/exporters/prometheus"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
)

// Config says what is published as whose.
type Config struct {
	Version string              // of the service, as in service.version; may be empty
	Env     func(string) string // looks variables up; nil: there are none
	Logger  *slog.Logger        // default: discards
}

// Node is what is measured.
type Node interface {
	Stats(ctx context.Context) broker.Stats
}

// Metrics measures one node and publishes it until Close.
type Metrics struct {
	registry *prometheus.Registry
	meters   *sdkmetric.MeterProvider
	traces   *sdktrace.TracerProvider // nil: traces go nowhere
	tracer   trace.Tracer             // nil: traces go nowhere
	logger   *slog.Logger

	instruments
	topics topics

	node atomic.Pointer[Node]

	once   sync.Once
	closed error
}

var _ broker.Observer = (*Metrics)(nil)

// scope is the instrumentation scope of all metrics and spans.
const scope = "github.com/strandlog/strand/brokerd"

const (
	scrapesMax    = 4 // at once
	scrapeTimeout = 10 * time.Second
)

// New begins to publish. Errors: ErrProtocol, and what OpenTelemetry refuses.
func New(ctx context.Context, cfg Config) (*Metrics, error) {
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	if cfg.Env == nil {
		cfg.Env = func(string) string { return "" }
	}
	m := &Metrics{registry: prometheus.NewRegistry(), logger: cfg.Logger}
	if err := m.open(ctx, cfg); err != nil {
		return nil, errors.Join(fmt.Errorf("publishing metrics: %w", err), m.Close(context.WithoutCancel(ctx)))
	}
	return m, nil
}

func (m *Metrics) open(ctx context.Context, cfg Config) error {
	describe := []resource.Option{resource.WithFromEnv(), resource.WithTelemetrySDK(), resource.WithAttributes(attribute.String("service.name", "brokerd"))}
	if cfg.Version != "" {
		describe = append(describe, resource.WithAttributes(attribute.String("service.version", cfg.Version)))
	}
	self, err := resource.New(ctx, describe...)
	if err != nil {
		return err
	}
	scraped, err := otelprometheus.New(otelprometheus.WithRegisterer(m.registry), otelprometheus.WithoutScopeInfo())
	if err != nil {
		return err
	}
	for _, c := range []prometheus.Collector{collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{})} {
		if err := m.registry.Register(c); err != nil {
			return err
		}
	}
	options := []sdkmetric.Option{sdkmetric.WithResource(self), sdkmetric.WithReader(scraped)}
	pushed, err := pushedMetrics(ctx, cfg.Env)
	if err != nil {
		return err
	}
	if pushed != nil {
		options = append(options, sdkmetric.WithReader(pushed))
	}
	m.meters = sdkmetric.NewMeterProvider(options...)
	exporter, err := pushedTraces(ctx, cfg.Env)
	if err != nil {
		return err
	}
	if exporter != nil {
		m.traces = sdktrace.NewTracerProvider(sdktrace.WithResource(self), sdktrace.WithBatcher(exporter))
		m.tracer = m.traces.Tracer(scope)
	}
	return m.create(m.meters.Meter(scope))
}

// Watch names the node. Before that, only the process is measured.
func (m *Metrics) Watch(n Node) { m.node.Store(&n) }

// Handler answers scrapes of Prometheus.
func (m *Metrics) Handler() http.Handler {
	return promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{
		ErrorLog: scrapeLog{m.logger}, ErrorHandling: promhttp.ContinueOnError, MaxRequestsInFlight: scrapesMax, Timeout: scrapeTimeout,
	})
}

// scrapeLog takes what Prometheus' handler has to complain about.
type scrapeLog struct{ to *slog.Logger }

// Println logs.
func (l scrapeLog) Println(v ...any) {
	l.to.Warn("a scrape of the metrics is not complete", "error", fmt.Sprint(v...))
}

// Close publishes what is left, and ends. It may be called more than once.
func (m *Metrics) Close(ctx context.Context) error {
	m.once.Do(func() {
		var errs []error
		if m.traces != nil {
			errs = append(errs, m.traces.Shutdown(ctx))
		}
		if m.meters != nil {
			errs = append(errs, m.meters.Shutdown(ctx))
		}
		m.closed = errors.Join(errs...)
	})
	return m.closed
}
