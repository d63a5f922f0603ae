// Package telemetry makes OpenTelemetry metrics and traces of what a program does with Strand.
//
//	tel, err := telemetry.New(telemetry.Config{}) // the program's own providers, or OpenTelemetry's globals
//	defer tel.Close()
//
//	client, err := commitlog.Config{Observer: tel}.Dial(ctx, url)
//	store, err := eventstore.Open(ctx, client, eventstore.Config{Observer: tel}, account.Type)
//	accounts := aggregates.NewRepository(store, account.Type, aggregates.RepositoryConfig{Observer: tel})
//	err = projections.Run(ctx, store, Balances, sink, projections.Observe(tel))
//
// Each of the four may be left out. docs/metrics.md lists the metrics.
//
// # Traces
//
// `handle CATEGORY` has `load CATEGORY` and `append CATEGORY` below it, and that has `send TOPIC`. Events are stored with the trace that they
// were appended in, when it is sampled: headers traceparent and tracestate. A projection makes one span of each batch, `process PROJECTION`,
// with links to the traces of its events, at most 64. What it replays was done long ago, and is not linked: the span then has the attribute
// eventstore.replay.
//
// A program that has a traceparent and no span, as one that takes requests without OpenTelemetry, gives it as [eventstore.Metadata]: the spans
// of its appends go below it.
//
// With the no-op provider of package trace/noop there are no spans, and nothing is stored with events. Where metrics go nowhere either, being
// observed costs next to nothing.
//
// # Concurrency
//
// All methods may be called by any number of goroutines.
//
// # Failure
//
// Nothing here makes the observed work fail. Labels are topics, partitions, categories, projections and classes of errors; after 1000
// combinations of a metric, what else comes is counted under labels of the value "other".
//
// # Testing
//
// Give New the providers of OpenTelemetry's SDK with a manual reader and an in-memory exporter.
package telemetry
