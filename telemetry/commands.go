package telemetry

import (
	"context"
	"fmt"
	"time"

	"github.com/strandlog/strand/aggregates"
	"go.opentelemetry.io/otel/attribute"
)

// HandleStart begins the span `handle CATEGORY`.
func (t *Telemetry) HandleStart(ctx context.Context, h aggregates.HandleInfo) (context.Context, func(aggregates.HandleResult)) {
	if t.quiet && !t.handleDuration.Enabled(ctx) {
		return ctx, func(aggregates.HandleResult) {}
	}
	began := time.Now()
	ctx, span := t.begin(ctx, t.spans.handle.get(h.Category))
	if span.IsRecording() {
		span.SetAttributes(attribute.String("eventstore.stream.id", h.Stream), attribute.String("aggregate.command", fmt.Sprintf("%T", h.Command)))
	}
	return ctx, func(r aggregates.HandleResult) {
		class := classOf(r.Err)
		if r.Refused {
			class = "refused"
		}
		l := t.outcomes.handle.get(outcome{on: h.Category, class: class})
		t.handleDuration.Record(ctx, time.Since(began).Seconds(), l.record...)
		if r.Retries > 0 {
			t.handleRetries.Add(ctx, int64(r.Retries), t.outcomes.handle.get(outcome{on: h.Category}).add...)
		}
		if span.IsRecording() {
			span.SetAttributes(attribute.Int("eventstore.events.count", r.Events), attribute.Int("aggregate.retries", r.Retries))
		}
		end(span, r.Err, class)
	}
}
