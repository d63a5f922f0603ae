package telemetry

import (
	"errors"

	"go.opentelemetry.io/otel/metric"
)

// instruments are all metrics of this package. docs/metrics.md is their table.
type instruments struct {
	sent              metric.Int64Counter
	consumed          metric.Int64Counter
	operationDuration metric.Float64Histogram

	appendDuration  metric.Float64Histogram
	appendEvents    metric.Int64Counter
	appendConflicts metric.Int64Counter
	loadDuration    metric.Float64Histogram
	loadEvents      metric.Int64Histogram

	handleDuration metric.Float64Histogram
	handleRetries  metric.Int64Counter

	batchDuration metric.Float64Histogram
	events        metric.Int64Counter
	errors        metric.Int64Counter
	lag           metric.Int64ObservableGauge
	lagTime       metric.Float64ObservableGauge
	status        metric.Int64ObservableGauge
	progress      metric.Float64ObservableGauge
}

// creator creates instruments and keeps what went wrong.
type creator struct {
	meter  metric.Meter
	failed []error
}

func (i *instruments) create(meter metric.Meter) error {
	c := creator{meter: meter}
	i.sent = c.counter("messaging.client.sent.messages", "{message}", "Records that were to be stored.")
	i.consumed = c.counter("messaging.client.consumed.messages", "{message}", "Records that were fetched.")
	i.operationDuration = c.seconds("messaging.client.operation.duration", "Time from a call to its answer, with all its tries.")

	i.appendDuration = c.seconds("eventstore.append.duration", "Time that an append took.")
	i.appendEvents = c.counter("eventstore.append.events", "{event}", "Events that were stored.")
	i.appendConflicts = c.counter("eventstore.append.conflicts", "{append}", "Appends that met a stream or a condition otherwise than they expected.")
	i.loadDuration = c.seconds("eventstore.load.duration", "Time from the first to the last event that was read of one stream, with what the reader did meanwhile.")
	i.loadEvents = c.sizes("eventstore.load.events", "{event}", "Events that one read of a stream brought.")

	i.handleDuration = c.seconds("aggregate.handle.duration", "Time that a command took, with waiting, loading and retries.")
	i.handleRetries = c.counter("aggregate.handle.retries", "{retry}", "Times that a command was decided again, because others were faster.")

	i.batchDuration = c.seconds("projection.batch.duration", "Time that handlers and commit of a batch took.")
	i.events = c.counter("projection.events", "{event}", "Events that were projected.")
	i.errors = c.counter("projection.errors", "{error}", "Ends of projections that were errors.")
	i.lag = c.gauge("projection.lag", "{event}", "Records that a running projection has not passed.")
	i.lagTime = c.floatGauge("projection.lag.time", "s", "Age of the oldest of them.")
	i.status = c.gauge("projection.status", "", "1 for the state that a projection is in, 0 for the others.")
	i.progress = c.floatGauge("projection.rebuild.progress", "1", "How much of a rebuild or a catch-up is done, from 0 to 1.")
	return errors.Join(c.failed...)
}

func (c *creator) keep(err error) {
	if err != nil {
		c.failed = append(c.failed, err)
	}
}

func (c *creator) counter(name, unit, description string) metric.Int64Counter {
	i, err := c.meter.Int64Counter(name, metric.WithUnit(unit), metric.WithDescription(description))
	c.keep(err)
	return i
}

// seconds is a histogram of durations from 100 µs to 10 s.
func (c *creator) seconds(name, description string) metric.Float64Histogram {
	i, err := c.meter.Float64Histogram(name, metric.WithUnit("s"), metric.WithDescription(description), metric.WithExplicitBucketBoundaries(
		0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10))
	c.keep(err)
	return i
}

// sizes is a histogram of counts from 1 to 100,000.
func (c *creator) sizes(name, unit, description string) metric.Int64Histogram {
	i, err := c.meter.Int64Histogram(name, metric.WithUnit(unit), metric.WithDescription(description),
		metric.WithExplicitBucketBoundaries(0, 1, 3, 10, 30, 100, 300, 1000, 3000, 10_000, 100_000))
	c.keep(err)
	return i
}

func (c *creator) gauge(name, unit, description string) metric.Int64ObservableGauge {
	i, err := c.meter.Int64ObservableGauge(name, metric.WithUnit(unit), metric.WithDescription(description))
	c.keep(err)
	return i
}

func (c *creator) floatGauge(name, unit, description string) metric.Float64ObservableGauge {
	i, err := c.meter.Float64ObservableGauge(name, metric.WithUnit(unit), metric.WithDescription(description))
	c.keep(err)
	return i
}
