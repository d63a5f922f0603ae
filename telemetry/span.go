package telemetry

import (
	"context"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"
	"go.opentelemetry.io/otel/trace/noop"
)

// start is how a span of one kind on one thing begins.
type start struct {
	name    string
	options []trace.SpanStartOption
}

// spans hold how all spans begin.
type spans struct {
	send, append, load, handle, process *prebuilt[string, start]
}

func newSpans(system string) spans {
	kind := func(verb string, options func(on string) []trace.SpanStartOption) *prebuilt[string, start] {
		return &prebuilt[string, start]{other: "other", build: func(on string) start {
			return start{name: verb + " " + on, options: options(on)}
		}}
	}
	internal := func(string) []trace.SpanStartOption {
		return []trace.SpanStartOption{trace.WithSpanKind(trace.SpanKindInternal)}
	}
	return spans{
		send: kind("send", func(topic string) []trace.SpanStartOption {
			return []trace.SpanStartOption{trace.WithSpanKind(trace.SpanKindProducer), trace.WithAttributes(
				attribute.String("messaging.system", system),
				attribute.String("messaging.operation.name", "send"),
				attribute.String("messaging.operation.type", "send"),
				attribute.String("messaging.destination.name", topic),
			)}
		}),
		append: kind("append", internal), load: kind("load", internal), handle: kind("handle", internal),
		process: kind("process", func(string) []trace.SpanStartOption {
			return []trace.SpanStartOption{trace.WithSpanKind(trace.SpanKindConsumer), trace.WithAttributes(
				attribute.String("messaging.system", system),
				attribute.String("messaging.operation.name", "process"),
				attribute.String("messaging.operation.type", "process"),
			)}
		}),
	}
}

// begin begins a span, below the trace that the program has given as metadata if it has no span of its own.
func (t *Telemetry) begin(ctx context.Context, s start) (context.Context, trace.Span) {
	if t.quiet {
		return ctx, noop.Span{}
	}
	ctx = underGiven(ctx)
	return t.tracer.Start(ctx, s.name, s.options...)
}

// end ends a span. What is answered with an error in the ordinary course of things is no failure of the span.
func end(span trace.Span, err error, class string) {
	if err != nil && span.IsRecording() {
		span.SetAttributes(attribute.String("error.type", class))
		if !ordinary[class] {
			span.SetStatus(codes.Error, err.Error())
		}
	}
	span.End()
}
