package telemetry

import (
	"context"
	"time"

	"github.com/strandlog/strand/eventstore"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/trace"
)

// AppendStart begins the span `append CATEGORY` and gives the events its trace.
func (t *Telemetry) AppendStart(ctx context.Context, a eventstore.AppendInfo) (context.Context, func(eventstore.AppendResult)) {
	if t.quiet && !t.appendDuration.Enabled(ctx) {
		return ctx, func(eventstore.AppendResult) {}
	}
	began := time.Now()
	ctx, span := t.begin(ctx, t.spans.append.get(a.Category))
	if span.IsRecording() {
		span.SetAttributes(
			attribute.String("eventstore.stream.id", a.Stream),
			attribute.Int64("eventstore.expected_version", int64(a.Expected)),
			attribute.Int("eventstore.events.count", a.Events),
		)
	}
	ctx = carry(ctx, span.SpanContext())
	return ctx, func(r eventstore.AppendResult) {
		class := classOf(r.Err)
		l := t.outcomes.append.get(outcome{on: a.Category, class: class})
		t.appendDuration.Record(ctx, time.Since(began).Seconds(), l.record...)
		switch {
		case r.Conflict:
			t.appendConflicts.Add(ctx, 1, t.outcomes.append.get(outcome{on: a.Category}).add...)
		case r.Err == nil && !r.Duplicate:
			t.appendEvents.Add(ctx, int64(a.Events), l.add...)
		}
		if r.Duplicate && span.IsRecording() {
			span.SetAttributes(attribute.Bool("eventstore.duplicate", true))
		}
		end(span, r.Err, class)
	}
}

// LoadStart begins the span `load CATEGORY`.
func (t *Telemetry) LoadStart(ctx context.Context, l eventstore.LoadInfo) (context.Context, func(eventstore.LoadResult)) {
	if t.quiet && !t.loadDuration.Enabled(ctx) {
		return ctx, func(eventstore.LoadResult) {}
	}
	began := time.Now()
	ctx, span := t.begin(ctx, t.spans.load.get(l.Category))
	if span.IsRecording() {
		span.SetAttributes(attribute.String("eventstore.stream.id", l.Stream))
	}
	return ctx, func(r eventstore.LoadResult) {
		class := classOf(r.Err)
		labels := t.outcomes.load.get(outcome{on: l.Category, class: class})
		t.loadDuration.Record(ctx, time.Since(began).Seconds(), labels.record...)
		t.loadEvents.Record(ctx, int64(r.Events), labels.record...)
		if span.IsRecording() {
			span.SetAttributes(attribute.Int("eventstore.events.count", r.Events))
		}
		end(span, r.Err, class)
	}
}

// underGiven puts a context below the trace that the program has given as metadata, unless it has a span of its own.
func underGiven(ctx context.Context) context.Context {
	if trace.SpanContextFromContext(ctx).IsValid() {
		return ctx
	}
	m := eventstore.MetadataFrom(ctx)
	if m.Traceparent == "" {
		return ctx
	}
	return w3c.Extract(ctx, &traceHeaders{parent: m.Traceparent, state: m.Tracestate})
}

// carry has events stored with a trace, if it is sampled: a trace that is nowhere else is of no use to anybody.
func carry(ctx context.Context, at trace.SpanContext) context.Context {
	if !at.IsValid() || !at.IsSampled() {
		return ctx
	}
	var h traceHeaders
	w3c.Inject(ctx, &h)
	return eventstore.WithMetadata(ctx, eventstore.Metadata{Traceparent: h.parent, Tracestate: h.state})
}
