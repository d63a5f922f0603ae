package main

import (
	"log/slog"
	"strings"
	"testing"

	"github.com/strandlog/strand/brokerd/config"
	"go.opentelemetry.io/otel/trace"
)

func TestLinesNameTheirTrace(t *testing.T) {
	at := trace.NewSpanContext(trace.SpanContextConfig{TraceID: trace.TraceID{1}, SpanID: trace.SpanID{2}})
	ctx := trace.ContextWithSpanContext(t.Context(), at)
	var log strings.Builder
	logger := newLogger(&log, config.Log{Format: config.JSON}).With(slog.String("component", "test"))
	logger.InfoContext(ctx, "within")
	logger.InfoContext(t.Context(), "without")
	lines := strings.Split(log.String(), "\n")
	if want := `"component":"test","trace_id":"01000000000000000000000000000000","span_id":"0200000000000000"`; !strings.Contains(lines[0], want) {
		t.Errorf("the line %s lacks %s", lines[0], want)
	}
	if strings.Contains(lines[1], "trace_id") {
		t.Errorf("the line %s has a trace", lines[1])
	}
}
