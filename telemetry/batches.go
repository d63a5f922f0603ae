package telemetry

import (
	"context"
	"iter"
	"strconv"
	"time"

	"github.com/strandlog/strand/eventstore"
	"github.com/strandlog/strand/projections"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/trace"
)

// linksMax bounds the links of a span; OpenTelemetry's SDK drops those beyond 128 itself.
const linksMax = 64

// BatchStart begins the span `process PROJECTION`.
func (t *Telemetry) BatchStart(ctx context.Context, b projections.BatchInfo) (context.Context, func(projections.BatchResult)) {
	began := time.Now()
	ctx, span := t.begin(ctx, t.spans.process.get(b.Projection.Name))
	if span.IsRecording() {
		span.SetAttributes(
			attribute.Int("projection.version", b.Projection.Version),
			attribute.String("messaging.destination.name", b.Topic),
			attribute.String("messaging.destination.partition.id", strconv.Itoa(int(b.Partition))),
			attribute.Int("messaging.batch.message_count", b.Records),
			attribute.Int("eventstore.events.count", b.Events),
			attribute.Bool("eventstore.replay", b.Replay),
		)
		if !b.Replay {
			link(ctx, span, b.Metadata)
		}
	}
	return ctx, func(r projections.BatchResult) {
		class := classOf(r.Err)
		l := t.outcomes.batch.get(batchOutcome(b.Projection, class))
		t.batchDuration.Record(ctx, time.Since(began).Seconds(), l.record...)
		if r.Err == nil {
			t.events.Add(ctx, int64(b.Events), l.add...)
		}
		end(span, r.Err, class)
	}
}

func batchOutcome(p projections.ID, class string) outcome {
	return outcome{on: p.Name, part: strconv.Itoa(p.Version), class: class}
}

// link links a span to the sampled traces that events were appended in, each once.
func link(ctx context.Context, span trace.Span, events iter.Seq[*eventstore.Metadata]) {
	linked := make(map[string]bool, linksMax)
	for m := range events {
		if m.Traceparent == "" || linked[m.Traceparent] {
			continue
		}
		at := trace.SpanContextFromContext(w3c.Extract(trace.ContextWithSpanContext(ctx, trace.SpanContext{}), &traceHeaders{parent: m.Traceparent, state: m.Tracestate}))
		if !at.IsValid() || !at.IsSampled() {
			continue
		}
		linked[m.Traceparent] = true
		span.AddLink(trace.Link{SpanContext: at})
		if len(linked) == linksMax {
			return
		}
	}
}
