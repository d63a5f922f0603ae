package metrics

import (
	"context"
	"iter"
	"sync"
	"time"

	"github.com/strandlog/strand/brokerd/broker"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"
)

// AppendStart times a request, and makes a span of it when its events carry a trace.
func (m *Metrics) AppendStart(a broker.AppendInfo) func(broker.AppendResult) {
	began := time.Now()
	l := m.topics.labels(a.Topic)
	var span trace.Span
	if m.tracer != nil {
		span = m.span(a)
	}
	return func(r broker.AppendResult) {
		ctx := root()
		if span != nil {
			ctx = trace.ContextWithSpan(ctx, span) // so that the measurement can have it as an example
			span.SetAttributes(attribute.Int("brokerd.stored", r.Stored), attribute.Int("brokerd.conflicts", r.Conflicts), attribute.Int("brokerd.refused", r.Refused))
			defer span.End()
		}
		m.appendDuration.Record(ctx, time.Since(began).Seconds(), l.record...)
		m.appendBytes.Add(ctx, int64(a.Bytes), l.add...)
		for _, o := range []struct {
			n      int
			labels []metric.AddOption
		}{{r.Stored, l.stored}, {r.Conflicts, l.conflict}, {r.Refused, l.refused}} {
			if o.n > 0 {
				m.appends.Add(ctx, int64(o.n), o.labels...)
			}
		}
	}
}

// root is the context of requests, which come over a connection and bring none.
func root() context.Context { return context.Background() } //nolint:forbidigo // there is no caller to take it from

// linksMax bounds the links of a span.
const linksMax = 64

// span is nil unless an event carries a sampled trace. It continues that trace when there is one alone, and else is linked to all.
func (m *Metrics) span(a broker.AppendInfo) trace.Span {
	links := linksOf(a.Traces)
	if len(links) == 0 {
		return nil
	}
	ctx := root()
	options := []trace.SpanStartOption{trace.WithSpanKind(trace.SpanKindServer), trace.WithAttributes(
		attribute.String("messaging.system", "brokerd"),
		attribute.String("messaging.destination.name", a.Topic),
		attribute.Int("brokerd.shard", a.Shard),
		attribute.Int("brokerd.appends", a.Appends),
		attribute.Int("brokerd.bytes", a.Bytes),
	)}
	if len(links) == 1 {
		ctx = trace.ContextWithRemoteSpanContext(ctx, links[0].SpanContext)
	} else {
		options = append(options, trace.WithLinks(links...))
	}
	_, span := m.tracer.Start(ctx, "store "+a.Topic, options...)
	return span
}

func linksOf(traces iter.Seq2[string, string]) (links []trace.Link) {
	var w3c propagation.TraceContext
	for parent, state := range traces {
		headers := propagation.MapCarrier{"traceparent": parent, "tracestate": state}
		at := trace.SpanContextFromContext(w3c.Extract(root(), headers))
		if !at.IsValid() || !at.IsSampled() {
			continue
		}
		if links = append(links, trace.Link{SpanContext: at}); len(links) == linksMax {
			break
		}
	}
	return links
}

// topicsMax bounds the topics with labels of their own, over the life of the process.
const topicsMax = 1000

// topics keep the labels of topics, so that they are made once.
type topics struct {
	mu  sync.RWMutex
	all map[string]*topicLabels
}

type topicLabels struct {
	record                         []metric.RecordOption
	add, stored, conflict, refused []metric.AddOption
}

func (t *topics) labels(topic string) *topicLabels {
	t.mu.RLock()
	l := t.all[topic]
	t.mu.RUnlock()
	if l != nil {
		return l
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.all) >= topicsMax {
		topic = "$other" // no topic can be named so
	}
	if l := t.all[topic]; l != nil {
		return l
	}
	if t.all == nil {
		t.all = map[string]*topicLabels{}
	}
	l = newTopicLabels(topic)
	t.all[topic] = l
	return l
}

func newTopicLabels(topic string) *topicLabels {
	set := func(more ...attribute.KeyValue) metric.MeasurementOption {
		return metric.WithAttributeSet(attribute.NewSet(append(more, attribute.String("topic", topic))...))
	}
	outcome := func(word string) []metric.AddOption {
		return []metric.AddOption{set(attribute.String("outcome", word))}
	}
	return &topicLabels{
		record: []metric.RecordOption{set()}, add: []metric.AddOption{set()},
		stored: outcome("stored"), conflict: outcome("conflict"), refused: outcome("refused"),
	}
}
