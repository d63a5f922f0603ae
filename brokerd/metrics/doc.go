// Package metrics publishes what a node measures of itself: for Prometheus, and by OTLP to wherever the environment says.
//
//	m, err := metrics.New(ctx, metrics.Config{})
//	b, err := broker.Start(ctx, broker.Config{Observer: m, Admin: broker.AdminConfig{Listen: "127.0.0.1:8080", Metrics: m.Handler()}})
//	m.Watch(b)
//	defer m.Close(ctx)
//
// docs/metrics.md lists the names. Most values are read from the node when they are asked for; requests to append are timed one by one.
//
// OTLP, over HTTP with protobuf alone, is switched on by OpenTelemetry's own variables: OTEL_EXPORTER_OTLP_ENDPOINT for metrics and traces, or
// OTEL_EXPORTER_OTLP_METRICS_ENDPOINT and OTEL_EXPORTER_OTLP_TRACES_ENDPOINT. OTEL_METRICS_EXPORTER=none, OTEL_TRACES_EXPORTER=none and
// OTEL_SDK_DISABLED=true switch it off. A node makes spans of requests whose events carry a sampled trace, and of no others.
//
// # Concurrency
//
// All methods may be called by any number of goroutines.
//
// # Failure
//
// New fails with [ErrProtocol] when the environment asks for another protocol. What cannot be delivered later is logged and dropped.
package metrics
