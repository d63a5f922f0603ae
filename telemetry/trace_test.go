package telemetry_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/strandlog/strand/aggregates"
	"github.com/strandlog/strand/brokerd/broker"
	"github.com/strandlog/strand/commitlog"
	"github.com/strandlog/strand/eventstore"
	"github.com/strandlog/strand/projections"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"
)

// TestTheTraceOfACommand follows one command from the caller's span to the broker.
func TestTheTraceOfACommand(t *testing.T) {
	b, err := broker.Start(t.Context(), broker.Config{Listen: "127.0.0.1:0"})
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close(context.WithoutCancel(t.Context()))
	o := observe(t)
	client, err := commitlog.Config{Observer: o}.Dial(t.Context(), b.URL())
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	store, err := eventstore.Open(t.Context(), client, eventstore.Config{Observer: o}, account)
	if err != nil {
		t.Fatal(err)
	}
	accounts := aggregates.NewRepository(store, account, aggregates.RepositoryConfig{Observer: o})

	ctx, caller := o.provider.Tracer("test").Start(t.Context(), "caller")
	if _, err := accounts.Handle(ctx, "alice", Deposit{5}); err != nil {
		t.Fatal(err)
	}
	caller.End()

	handle, load, appended, send := o.span(t, "handle account"), o.span(t, "load account"), o.span(t, "append account"), o.span(t, "send events")
	for _, pair := range []struct {
		name        string
		child, want trace.SpanContext
	}{
		{"handle", handle.Parent, caller.SpanContext()},
		{"load", load.Parent, handle.SpanContext},
		{"append", appended.Parent, handle.SpanContext},
		{"send", send.Parent, appended.SpanContext},
	} {
		if pair.child.SpanID() != pair.want.SpanID() || pair.child.TraceID() != pair.want.TraceID() {
			t.Errorf("the parent of %s is %v, want %v", pair.name, pair.child, pair.want)
		}
	}
	if send.SpanKind != trace.SpanKindProducer || appended.SpanKind != trace.SpanKindInternal {
		t.Errorf("kinds of send and append: %v, %v", send.SpanKind, appended.SpanKind)
	}
	want := map[string]any{
		"eventstore.stream.id": "account-alice", "eventstore.expected_version": int64(0), "eventstore.events.count": int64(1),
	}
	if diff := cmp.Diff(want, attributesOf(appended)); diff != "" {
		t.Errorf("attributes of append (-want +got):\n%s", diff)
	}
	got := attributesOf(send)
	delete(got, "messaging.message.body.size")
	want = map[string]any{
		"messaging.system": "brokerd", "messaging.operation.name": "send", "messaging.operation.type": "send",
		"messaging.destination.name": "events", "messaging.batch.message_count": int64(1),
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("attributes of send (-want +got):\n%s", diff)
	}
	for e, err := range store.Stream(t.Context(), "account-alice") {
		parent := fmt.Sprintf("00-%s-%s-01", appended.SpanContext.TraceID(), appended.SpanContext.SpanID())
		if err != nil || e.Metadata.Traceparent != parent {
			t.Errorf("the event was stored with traceparent %q (%v), want %q", e.Metadata.Traceparent, err, parent)
		}
	}
}

func TestOutcomesOfSpans(t *testing.T) {
	o := observe(t)
	store, err := eventstore.Open(t.Context(), eventstore.NewMemory(), eventstore.Config{Observer: o}, account)
	if err != nil {
		t.Fatal(err)
	}
	accounts := aggregates.NewRepository(store, account, aggregates.RepositoryConfig{Observer: o})
	if _, err := accounts.Handle(t.Context(), "alice", Deposit{0}); !errors.Is(err, errNothing) {
		t.Fatal(err)
	}
	if s := o.span(t, "handle account"); s.Status.Code != codes.Unset || attributesOf(s)["error.type"] != "refused" {
		t.Errorf("a refusal is no failure: %v, %v", s.Status, s.Attributes)
	}
	if _, err := store.Append(t.Context(), "account-alice", 7, Deposited{1}); !errors.Is(err, eventstore.ErrConflict) {
		t.Fatal(err)
	}
	if s := o.span(t, "append account"); s.Status.Code != codes.Unset || attributesOf(s)["error.type"] != "conflict" {
		t.Errorf("a conflict is no failure: %v, %v", s.Status, s.Attributes)
	}
	if _, err := store.Append(t.Context(), "cart-1", eventstore.Any, Deposited{1}); err == nil {
		t.Fatal("a category that nobody knows was taken")
	}
	if s := o.span(t, "append "); s.Status.Code != codes.Error {
		t.Errorf("an invalid append: %v", s.Status)
	}
}

// TestATraceWithoutASpan continues what the program gives as metadata.
func TestATraceWithoutASpan(t *testing.T) {
	o := observe(t)
	store, err := eventstore.Open(t.Context(), eventstore.NewMemory(), eventstore.Config{Observer: o}, account)
	if err != nil {
		t.Fatal(err)
	}
	ctx := eventstore.WithMetadata(t.Context(), eventstore.Metadata{
		Traceparent: "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", Tracestate: "vendor=1",
	})
	if _, err := store.Append(ctx, "account-alice", eventstore.Any, Deposited{1}); err != nil {
		t.Fatal(err)
	}
	s := o.span(t, "append account")
	if s.Parent.SpanID().String() != "b7ad6b7169203331" || s.Parent.TraceState().String() != "vendor=1" {
		t.Errorf("the parent is %v", s.Parent)
	}
	for e, err := range store.Stream(t.Context(), "account-alice") {
		if err != nil {
			t.Fatal(err)
		}
		want := "00-0af7651916cd43dd8448eb211c80319c-" + s.SpanContext.SpanID().String() + "-01"
		if e.Metadata.Traceparent != want || e.Metadata.Tracestate != "vendor=1" {
			t.Errorf("stored with %q, %q, want %q", e.Metadata.Traceparent, e.Metadata.Tracestate, want)
		}
	}
}

func TestBatchesAreLinkedToWhatTheyProcess(t *testing.T) {
	o := observe(t)
	memory := eventstore.NewMemory()
	store, err := eventstore.Open(t.Context(), memory, eventstore.Config{Partitions: 1}, account)
	if err != nil {
		t.Fatal(err)
	}
	traced := func(n int, flags string) context.Context {
		return eventstore.WithMetadata(t.Context(), eventstore.Metadata{Traceparent: fmt.Sprintf("00-0af7651916cd43dd8448eb211c80319c-%016x-%s", n, flags)})
	}
	add := func(ctx context.Context, events ...any) eventstore.Position {
		t.Helper()
		done, err := store.Append(ctx, "account-alice", eventstore.Any, events...)
		if err != nil {
			t.Fatal(err)
		}
		return done.Position
	}
	add(traced(1, "01"), Deposited{1})
	sink := projections.NewMemory[int]()
	if err := projections.CatchUp(t.Context(), store, balances, sink, projections.Observe(o)); err != nil {
		t.Fatal(err)
	}
	if s := o.span(t, "process balances"); len(s.Links) != 0 || attributesOf(s)["eventstore.replay"] != true || s.SpanKind != trace.SpanKindConsumer {
		t.Errorf("a replay has links %v, attributes %v, kind %v", s.Links, s.Attributes, s.SpanKind)
	}

	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() {
		ended <- projections.Run(ctx, store, balances, sink, projections.Observe(o), projections.CommitMax(500, 1<<20))
	}()
	await := func(p eventstore.Position) {
		t.Helper()
		if err := projections.Await(t.Context(), balances, sink, p); err != nil {
			t.Fatal(err)
		}
	}
	before := len(o.spans.GetSpans())
	await(add(t.Context(), Deposited{1}))   // Run has begun
	for len(o.spans.GetSpans()) == before { // a span ends behind the commit that Await waits for
		runtime.Gosched()
	}
	o.spans.Reset()
	await(add(traced(2, "00"), Deposited{1}))
	await(add(traced(3, "01"), Deposited{1}, Deposited{2}, Deposited{3}))
	var last eventstore.Position
	for n := range 300 {
		last = add(traced(100+n, "01"), Deposited{1})
	}
	await(last)
	stop()
	if err := <-ended; err != nil {
		t.Fatal(err)
	}

	links := map[string]int{}
	for _, s := range o.spans.GetSpans() {
		if len(s.Links) > 64 {
			t.Errorf("a span has %d links", len(s.Links))
		}
		if attributesOf(s)["eventstore.replay"] != false {
			t.Errorf("a live span says of itself: %v", s.Attributes)
		}
		for _, l := range s.Links {
			links[l.SpanContext.SpanID().String()]++
		}
	}
	if links["0000000000000002"] != 0 || links["0000000000000003"] == 0 {
		t.Errorf("links are %v: the trace that was not sampled must be missing, the one that was must be there", links)
	}
}
