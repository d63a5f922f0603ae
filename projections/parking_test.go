package projections_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/strandlog/strand/eventstore"
	"github.com/strandlog/strand/projections"
)

// TestPark has one stream poisoned: its events wait in order, all others go on, and when the poison is gone they are handled in order.
func TestPark(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store, memory := openStore(t, 1), projections.NewMemory[balance]()
		bad := &refusing{amount: 666}
		projection := projections.Define("balances", projections.On(bad.on))
		stop := start(t, store, projection, memory, projections.OnError(projections.Park, 2))
		appendTo(t, store, "alice", deposited{1}, deposited{666}, deposited{10})
		appendTo(t, store, "bob", deposited{5})
		if err := projections.Await(t.Context(), projection, memory, appendTo(t, store, "alice", deposited{100})); err != nil {
			t.Fatal(err)
		}
		wantAmounts(t, memory, map[string]int64{"alice": 1, "bob": 5})
		parked := memory.Parked(0)
		if len(parked) != 3 || parked[0].Offset != 1 || parked[0].Reason == "" || parked[1].Reason != "" || parked[2].Offset != 4 || parked[0].Type != "account.deposited" {
			t.Fatalf("parked are %+v", parked)
		}

		retry := func() {
			t.Helper()
			if err := memory.Retry(0, "account-alice"); err != nil {
				t.Fatal(err)
			}
			<-time.After(3 * time.Second)
			synctest.Wait()
		}
		retry() // it is still refused
		if parked := memory.Parked(0); len(parked) != 3 || parked[0].Attempts != 1 || parked[0].Retry {
			t.Fatalf("after another attempt parked are %+v", parked)
		}
		bad.cured.Store(true)
		retry()
		if parked := memory.Parked(0); len(parked) != 0 {
			t.Fatalf("after the cure parked are %+v", parked)
		}
		wantAmounts(t, memory, map[string]int64{"alice": 777, "bob": 5})
		if err := projections.Await(t.Context(), projection, memory, appendTo(t, store, "alice", deposited{1000})); err != nil {
			t.Fatal(err)
		}
		wantAmounts(t, memory, map[string]int64{"alice": 1777, "bob": 5})
		if err := stop(); err != nil {
			t.Fatal(err)
		}
	})
}

// TestParkedStreamsWaitAcrossWorkers has the next worker know what the one before set aside, whatever its policy.
func TestParkedStreamsWaitAcrossWorkers(t *testing.T) {
	store, memory := openStore(t, 2), projections.NewMemory[balance]()
	bad := &refusing{amount: 666}
	projection := projections.Define("balances", projections.On(bad.on))
	appendTo(t, store, "alice", deposited{666})
	if err := projections.CatchUp(t.Context(), store, projection, memory, projections.OnError(projections.Park, 1)); err != nil {
		t.Fatal(err)
	}
	appendTo(t, store, "alice", deposited{10})
	if err := projections.CatchUp(t.Context(), store, projection, memory); err != nil {
		t.Fatal(err)
	}
	wantAmounts(t, memory, map[string]int64{})
}

// TestSkip goes on with the next event of the stream.
func TestSkip(t *testing.T) {
	store, memory := openStore(t, 1), projections.NewMemory[balance]()
	bad := &refusing{amount: 666, panics: true}
	projection := projections.Define("balances", projections.On(bad.on))
	appendTo(t, store, "alice", deposited{1}, deposited{666}, deposited{10})
	if err := projections.CatchUp(t.Context(), store, projection, memory, projections.OnError(projections.Skip, 1)); err != nil {
		t.Fatal(err)
	}
	wantAmounts(t, memory, map[string]int64{"alice": 11})
	if aside := memory.Parked(0); len(aside) != 1 || !aside[0].Skipped || aside[0].Reason == "" {
		t.Errorf("set aside are %+v", aside)
	}
}

// TestParkWhatCannotBeRead parks an event that the store cannot decode, and handles it once it can.
func TestParkWhatCannotBeRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log := eventstore.NewMemory()
		type older struct{ Amount string }
		writer, err := eventstore.Open(t.Context(), log, eventstore.Config{Partitions: 1}, eventstore.Category{Name: "account", Events: map[string]any{"deposited": older{}, "noted": noted{}}})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := writer.Append(t.Context(), "account-alice", eventstore.Any, older{"seven"}); err != nil {
			t.Fatal(err)
		}
		if _, err := writer.Append(t.Context(), "account-bob", eventstore.Any, older{"nine"}, noted{}); err != nil {
			t.Fatal(err)
		}
		reader, err := eventstore.Open(t.Context(), log, eventstore.Config{}, accountEvents())
		if err != nil {
			t.Fatal(err)
		}
		memory := projections.NewMemory[balance]()
		if err := projections.CatchUp(t.Context(), reader, balances(), memory, projections.OnError(projections.Park, 1)); err != nil {
			t.Fatal(err)
		}
		if parked := memory.Parked(0); len(parked) != 2 || parked[0].Stream != "account-alice" || parked[1].Stream != "account-bob" {
			t.Fatalf("parked are %+v", parked)
		}
		upcasting := accountEvents()
		upcasting.Events = map[string]any{"deposited.v2": deposited{}, "withdrawn": withdrawn{}, "noted": noted{}}
		upcasting.Old = eventstore.Old{"deposited": eventstore.From(func(o older) (deposited, error) {
			return deposited{int64(len(o.Amount))}, nil
		})}
		newer, err := eventstore.Open(t.Context(), log, eventstore.Config{}, upcasting)
		if err != nil {
			t.Fatal(err)
		}
		if err := memory.Retry(0, "account-alice"); err != nil {
			t.Fatal(err)
		}
		stop := start(t, newer, balances(), memory)
		<-time.After(2 * time.Second)
		synctest.Wait()
		wantAmounts(t, memory, map[string]int64{"alice": 5})
		if err := stop(); err != nil {
			t.Fatal(err)
		}
	})
}

// TestParkNeedsASinkThatKeeps refuses a policy that the sink cannot follow.
func TestParkNeedsASinkThatKeeps(t *testing.T) {
	store := openStore(t, 1)
	sink := forgetful{projections.NewMemory[balance]()}
	if err := projections.Run(t.Context(), store, balances(), sink, projections.OnError(projections.Park, 1)); !errors.Is(err, projections.ErrInvalid) {
		t.Errorf("Run returned %v", err)
	}
}

type forgetful struct{ *projections.Memory[balance] }

func (f forgetful) Claim(ctx context.Context, c projections.Claim) (projections.Lane[*projections.Rows[balance]], error) {
	lane, err := f.Memory.Claim(ctx, c)
	return struct {
		projections.Lane[*projections.Rows[balance]]
	}{lane}, err
}

// TestParkedStreamsWaitAfterALostAnswer has a sink learn only afterwards that a commit took place, the one that set an event aside: what comes next in its stream waits.
func TestParkedStreamsWaitAfterALostAnswer(t *testing.T) {
	store, memory := openStore(t, 1), projections.NewMemory[balance]()
	bad := &refusing{amount: 666}
	projection := projections.Define("balances", projections.On(bad.on))
	appendTo(t, store, "alice", deposited{1}, deposited{666}, deposited{10})
	appendTo(t, store, "bob", deposited{5})
	sink := &unsure{Memory: memory}
	if err := projections.CatchUp(t.Context(), store, projection, sink, projections.OnError(projections.Park, 1)); err != nil {
		t.Fatal(err)
	}
	if parked := memory.Parked(0); len(parked) != 2 || !sink.lost {
		t.Fatalf("parked are %+v", parked)
	}
	wantAmounts(t, memory, map[string]int64{"alice": 1, "bob": 5})
}

// unsure is a sink that does not answer the first commit that sets something aside.
type unsure struct {
	*projections.Memory[balance]
	lost bool
}

func (u *unsure) Claim(ctx context.Context, c projections.Claim) (projections.Lane[*projections.Rows[balance]], error) {
	lane, err := u.Memory.Claim(ctx, c)
	if err != nil {
		return nil, err
	}
	return &unsureLane{Lane: lane, Parking: lane.(projections.Parking), sink: u}, nil
}

type unsureLane struct {
	projections.Lane[*projections.Rows[balance]]
	projections.Parking
	sink  *unsure
	aside bool
}

func (l *unsureLane) SetAside(events ...projections.ParkedEvent) {
	l.aside = true
	l.Parking.SetAside(events...)
}

func (l *unsureLane) Commit(ctx context.Context, next projections.Mark, fn func(*projections.Rows[balance]) error) error {
	l.aside = false
	err := l.Lane.Commit(ctx, next, fn)
	if err == nil && l.aside && !l.sink.lost {
		l.sink.lost = true
		return &projections.TransientError{Err: errors.New("the answer was lost")}
	}
	return err
}

// TestPoisonInBatches has a handler of batches refuse one event of many: that alone is parked, and all others have their effect.
func TestPoisonInBatches(t *testing.T) {
	store, memory := openStore(t, 1), projections.NewMemory[balance]()
	for i := range 100 {
		appendTo(t, store, fmt.Sprintf("a%d", i), deposited{int64(i)})
	}
	projection := projections.Define("balances", projections.OnBatch(func(ctx context.Context, rows *projections.Rows[balance], events []eventstore.Recorded[deposited]) error {
		for _, e := range events {
			if e.Data.Amount == 77 {
				return errors.New("poison")
			}
			if _, err := rows.Row(ctx, e.Stream.Key()); err != nil {
				return err
			}
		}
		return nil
	}))
	if err := projections.CatchUp(t.Context(), store, projection, memory, projections.OnError(projections.Park, 1)); err != nil {
		t.Fatal(err)
	}
	if parked := memory.Parked(0); len(parked) != 1 || parked[0].Stream != "account-a77" {
		t.Errorf("parked are %+v", parked)
	}
	n := 0
	for range memory.All() {
		n++
	}
	if n != 99 {
		t.Errorf("there are %d rows, want 99", n)
	}
}

// TestPoisonOfTwoKinds has one commit hold two events that are refused in different places, so that the later one is found first.
func TestPoisonOfTwoKinds(t *testing.T) {
	const early, late = 666, 777
	poison := errors.New("poison")
	kinds := map[string]*projections.Projection[*projections.Rows[balance]]{
		"handlers of batches": projections.Define("balances",
			projections.On(func(ctx context.Context, rows *projections.Rows[balance], e eventstore.Recorded[deposited]) error {
				if e.Data.Amount == late {
					return poison
				}
				row, err := rows.Row(ctx, e.Stream.Key())
				if err == nil {
					row.Amount += e.Data.Amount
				}
				return err
			}),
			projections.OnBatch(func(_ context.Context, _ *projections.Rows[balance], events []eventstore.Recorded[deposited]) error {
				for _, e := range events {
					if e.Data.Amount == early {
						return poison
					}
				}
				return nil
			})),
		"keys of folds": projections.Define("balances", projections.FoldBy(func(e eventstore.Recorded[deposited]) string {
			if e.Data.Amount == late {
				panic("it has no key")
			}
			return e.Stream.Key()
		}, func(b *balance, e eventstore.Recorded[deposited]) {
			if e.Data.Amount == early {
				panic("poison")
			}
			b.Amount += e.Data.Amount
		})),
	}
	for name, p := range kinds {
		t.Run(name, func(t *testing.T) {
			store, memory := openStore(t, 1), projections.NewMemory[balance]()
			for range 64 { // by then a commit takes all that follows
				appendTo(t, store, "warm", deposited{1})
			}
			appendTo(t, store, "alice", deposited{early})
			appendTo(t, store, "bob", deposited{2})
			appendTo(t, store, "carol", deposited{late})
			appendTo(t, store, "dave", deposited{5})
			if err := projections.CatchUp(t.Context(), store, p, memory); !errors.Is(err, projections.ErrHandler) {
				t.Fatalf("with the policy that stops: %v", err)
			}
			wantAmounts(t, memory, map[string]int64{"warm": 64}) // it stands before the first of them
			if err := projections.CatchUp(t.Context(), store, p, memory, projections.OnError(projections.Park, 1)); err != nil {
				t.Fatal(err)
			}
			wantAmounts(t, memory, map[string]int64{"warm": 64, "bob": 2, "dave": 5})
			if parked := memory.Parked(0); len(parked) != 2 {
				t.Errorf("parked are %+v", parked)
			}
		})
	}
}

// TestEventThatCannotBeRead asks how far behind a worker is that stands before it, and has a worker that would stop there begin behind it.
func TestEventThatCannotBeRead(t *testing.T) {
	log := eventstore.NewMemory()
	writer, err := eventstore.Open(t.Context(), log, eventstore.Config{Partitions: 1}, accountEvents())
	if err != nil {
		t.Fatal(err)
	}
	appendTo(t, writer, "alice", deposited{1}, noted{"x"})
	store, err := eventstore.Open(t.Context(), log, eventstore.Config{Partitions: 1}, eventstore.Category{Name: "account", Events: map[string]any{"deposited": deposited{}}})
	if err != nil {
		t.Fatal(err)
	}
	memory := projections.NewMemory[balance]()
	p := projections.Define("balances", projections.Fold(func(b *balance, e eventstore.Recorded[deposited]) { b.Amount += e.Data.Amount }))
	if err := projections.CatchUp(t.Context(), store, p, memory); !errors.Is(err, eventstore.ErrUnknownType) {
		t.Fatalf("catching up: %v", err)
	}
	if behind, err := projections.Lag(t.Context(), store, p, memory); err != nil || behind.Events != 1 || behind.Time <= 0 || behind.Time > time.Minute {
		t.Errorf("it is behind by %+v, %v", behind, err)
	}
	if err := projections.CatchUp(t.Context(), store, p, memory, projections.OnError(projections.Park, 1)); err != nil {
		t.Fatal(err)
	}
	appendTo(t, writer, "bob", deposited{2})
	if err := projections.CatchUp(t.Context(), store, p, memory); err != nil {
		t.Errorf("behind an event that cannot be read: %v", err)
	}
	wantAmounts(t, memory, map[string]int64{"alice": 1, "bob": 2})
}

// TestRetryLetsOthersPass has many events of one stream be retried, each of which takes a while: those of other streams do not wait for all of them, and neither does
// whoever stops the worker.
func TestRetryLetsOthersPass(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const parked, each = 600, 50 * time.Millisecond
		store, memory := openStore(t, 1), projections.NewMemory[balance]()
		broken, retried := true, 0
		p := projections.Define("balances", projections.On(func(ctx context.Context, rows *projections.Rows[balance], e eventstore.Recorded[deposited]) error {
			if e.Stream.Key() == "alice" {
				if broken {
					return errors.New("poison")
				}
				retried++
				<-time.After(each)
			}
			row, err := rows.Row(ctx, e.Stream.Key())
			if err == nil {
				row.Amount += e.Data.Amount
			}
			return err
		}))
		for range parked {
			appendTo(t, store, "alice", deposited{1})
		}
		if err := projections.CatchUp(t.Context(), store, p, memory, projections.OnError(projections.Park, 1)); err != nil {
			t.Fatal(err)
		}
		broken = false
		if err := memory.Retry(0, "account-alice"); err != nil {
			t.Fatal(err)
		}
		stop := start(t, store, p, memory, projections.OnError(projections.Park, 1))
		<-time.After(2 * time.Second) // it is at it
		for n := int64(1); n <= 5; n++ {
			appendTo(t, store, "bob", deposited{1})
			<-time.After(time.Second)
			if got := amounts(memory)["bob"]; got != n {
				t.Errorf("%d of %d events of another stream have their effect, while %d events are retried", got, n, retried)
			}
		}
		began := time.Now()
		if err := stop(); err != nil {
			t.Error(err)
		}
		if took := time.Since(began); took > time.Second {
			t.Errorf("the worker took %v to stop", took)
		}
		if retried == 0 || retried == parked {
			t.Errorf("%d of %d events were retried by then", retried, parked)
		}
		stop = start(t, store, p, memory, projections.OnError(projections.Park, 1))
		<-time.After(parked * each * 2)
		synctest.Wait()
		wantAmounts(t, memory, map[string]int64{"alice": parked, "bob": 5})
		if err := stop(); err != nil {
			t.Error(err)
		}
	})
}

// TestRefusedRetriesLetOthersPass has many streams be retried that are refused again.
func TestRefusedRetriesLetOthersPass(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const parked, each = 200, 50 * time.Millisecond
		store, memory := openStore(t, 1), projections.NewMemory[balance]()
		p := projections.Define("balances", projections.On(func(ctx context.Context, rows *projections.Rows[balance], e eventstore.Recorded[deposited]) error {
			if e.Data.Amount == 13 {
				<-time.After(each)
				return errors.New("poison")
			}
			row, err := rows.Row(ctx, e.Stream.Key())
			if err == nil {
				row.Amount += e.Data.Amount
			}
			return err
		}))
		for i := range parked {
			appendTo(t, store, fmt.Sprint("a", i), deposited{13})
		}
		if err := projections.CatchUp(t.Context(), store, p, memory, projections.OnError(projections.Park, 1)); err != nil {
			t.Fatal(err)
		}
		for i := range parked {
			if err := memory.Retry(0, fmt.Sprint("account-a", i)); err != nil {
				t.Fatal(err)
			}
		}
		stop := start(t, store, p, memory, projections.OnError(projections.Park, 1))
		<-time.After(2 * time.Second)
		appendTo(t, store, "bob", deposited{1})
		<-time.After(time.Second)
		if got := amounts(memory)["bob"]; got != 1 {
			t.Error("another stream waits for all that are retried")
		}
		if err := stop(); err != nil {
			t.Error(err)
		}
	})
}
