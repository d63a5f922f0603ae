package telemetry

import (
	"context"
	"strconv"
	"time"

	"github.com/strandlog/strand/commitlog"
	"go.opentelemetry.io/otel/attribute"
)

// SendStart begins the span `send TOPIC`.
func (t *Telemetry) SendStart(ctx context.Context, s commitlog.SendInfo) (context.Context, func(commitlog.SendResult)) {
	if t.quiet && !t.operationDuration.Enabled(ctx) {
		return ctx, func(commitlog.SendResult) {}
	}
	began := time.Now()
	ctx, span := t.begin(ctx, t.spans.send.get(s.Topic))
	if span.IsRecording() {
		span.SetAttributes(attribute.Int("messaging.batch.message_count", s.Records), attribute.Int("messaging.message.body.size", s.Bytes))
	}
	return ctx, func(r commitlog.SendResult) {
		class := classOf(r.Err)
		l := t.outcomes.send.get(outcome{on: s.Topic, class: class})
		t.sent.Add(ctx, int64(s.Records), l.add...)
		t.operationDuration.Record(ctx, time.Since(began).Seconds(), l.record...)
		end(span, r.Err, class)
	}
}

// FetchStart counts what is fetched. It makes no span: a reader fetches all the time.
func (t *Telemetry) FetchStart(ctx context.Context, f commitlog.FetchInfo) (context.Context, func(commitlog.FetchResult)) {
	if ctx.Value(unobserved{}) != nil {
		return ctx, func(commitlog.FetchResult) {}
	}
	began := time.Now()
	return ctx, func(r commitlog.FetchResult) {
		class := classOf(r.Err)
		if class == "canceled" {
			return // the reader has had enough
		}
		l := t.outcomes.fetch.get(outcome{on: f.Topic, part: strconv.Itoa(int(f.Partition)), class: class})
		t.consumed.Add(ctx, int64(r.Records), l.add...)
		if !f.Live { // a live one lasts as long as there is nothing to be had
			t.operationDuration.Record(ctx, time.Since(began).Seconds(), l.record...)
		}
	}
}

// unobserved marks the context of reads that are made for a measurement.
type unobserved struct{}
