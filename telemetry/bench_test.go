package telemetry_test

import (
	"context"
	"strconv"
	"sync/atomic"
	"testing"

	"github.com/strandlog/strand/brokerd/broker"
	"github.com/strandlog/strand/commitlog"
	"github.com/strandlog/strand/eventstore"
	"github.com/strandlog/strand/telemetry"
	metricnoop "go.opentelemetry.io/otel/metric/noop"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	tracenoop "go.opentelemetry.io/otel/trace/noop"
)

// BenchmarkAppend says what it costs to be observed: an append to an in-memory log, which costs next to nothing itself, and to a broker.
func BenchmarkAppend(b *testing.B) {
	noop := newTelemetry(b, telemetry.Config{MeterProvider: metricnoop.NewMeterProvider(), TracerProvider: tracenoop.NewTracerProvider()})
	sdk := newTelemetry(b, telemetry.Config{MeterProvider: sdkmetric.NewMeterProvider(sdkmetric.WithReader(sdkmetric.NewManualReader())), TracerProvider: tracenoop.NewTracerProvider()})
	kinds := []struct {
		name   string
		store  eventstore.Observer
		client commitlog.Observer
	}{{"none", nil, nil}, {"noop", noop, noop}, {"metrics", sdk, sdk}}
	for _, k := range kinds {
		b.Run("memory/observer="+k.name, func(b *testing.B) {
			appendTo(b, eventstore.NewMemory(), k.store)
		})
	}
	node, err := broker.Start(b.Context(), broker.Config{Listen: "127.0.0.1:0"})
	if err != nil {
		b.Fatal(err)
	}
	defer node.Close(context.WithoutCancel(b.Context()))
	for _, k := range kinds {
		b.Run("broker/observer="+k.name, func(b *testing.B) {
			client, err := commitlog.Config{Observer: k.client}.Dial(b.Context(), node.URL())
			if err != nil {
				b.Fatal(err)
			}
			defer client.Close()
			b.SetParallelism(32)
			appendTo(b, client, k.store)
		})
	}
}

func newTelemetry(b *testing.B, cfg telemetry.Config) *telemetry.Telemetry {
	b.Helper()
	t, err := telemetry.New(cfg)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = t.Close() })
	return t
}

var runs atomic.Int64

func appendTo(b *testing.B, log eventstore.Log, o eventstore.Observer) {
	b.Helper()
	store, err := eventstore.Open(b.Context(), log, eventstore.Config{Observer: o}, account)
	if err != nil {
		b.Fatal(err)
	}
	prefix := "account-" + strconv.FormatInt(runs.Add(1), 10) + "-"
	var writers atomic.Int64
	b.ReportAllocs()
	b.ResetTimer()
	b.RunParallel(func(pb *testing.PB) {
		stream := prefix + strconv.FormatInt(writers.Add(1), 10)
		for pb.Next() {
			if _, err := store.Append(b.Context(), stream, eventstore.Any, Deposited{1}); err != nil {
				b.Error(err)
				return
			}
		}
	})
}

// BenchmarkObserver is what being observed adds to an append, alone: one for the store, one for the client.
func BenchmarkObserver(b *testing.B) {
	for name, cfg := range map[string]telemetry.Config{
		"noop":    {MeterProvider: metricnoop.NewMeterProvider(), TracerProvider: tracenoop.NewTracerProvider()},
		"metrics": {MeterProvider: sdkmetric.NewMeterProvider(sdkmetric.WithReader(sdkmetric.NewManualReader())), TracerProvider: tracenoop.NewTracerProvider()},
	} {
		o := newTelemetry(b, cfg)
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				ctx, appended := o.AppendStart(b.Context(), eventstore.AppendInfo{Topic: "events", Category: "account", Stream: "account-alice", Writes: 1, Events: 1})
				_, sent := o.SendStart(ctx, commitlog.SendInfo{Topic: "events", Records: 1, Bytes: 100})
				sent(commitlog.SendResult{})
				appended(eventstore.AppendResult{})
			}
		})
	}
}
