package projections_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/uuid"
	"pgregory.net/rapid"

	"github.com/strandlog/strand/eventstore"
	"github.com/strandlog/strand/projections"
)

// Whatever is appended, in whatever portions it is caught up with: the rows are what a plain loop over the events makes.
func TestProjectionEqualsTheFold(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		store := openStore(t, rapid.IntRange(1, 4).Draw(r, "partitions"))
		memory := projections.NewMemory[balance]()
		closing := projections.Define("balances",
			projections.Fold(onDeposited),
			projections.Fold(onWithdrawn),
			projections.FoldBy(func(e eventstore.Recorded[deposited]) string {
				if e.Data.Amount%2 == 0 {
					return "" // belongs to no row
				}
				return "odd"
			}, func(b *balance, e eventstore.Recorded[deposited]) { b.Amount++ }),
			projections.On(func(ctx context.Context, rows *projections.Rows[balance], e eventstore.Recorded[noted]) error {
				rows.Delete(e.Stream.Key())
				return nil
			}))
		want := make(map[string]int64)
		for range rapid.IntRange(1, 5).Draw(r, "portions") {
			for range rapid.IntRange(0, 30).Draw(r, "events") {
				key := rapid.SampledFrom([]string{"a", "b", "c", "d", "e"}).Draw(r, "key")
				amount := rapid.Int64Range(1, 9).Draw(r, "amount")
				switch rapid.IntRange(0, 3).Draw(r, "kind") {
				case 0, 1:
					appendTo(t, store, key, deposited{amount})
					want[key] += amount
					if amount%2 == 1 {
						want["odd"]++
					}
				case 2:
					appendTo(t, store, key, withdrawn{amount})
					want[key] -= amount
				case 3:
					appendTo(t, store, key, noted{"closed"})
					delete(want, key)
				}
			}
			max := projections.CommitMax(rapid.IntRange(1, 40).Draw(r, "commit"), rapid.IntRange(1, 1000).Draw(r, "bytes"))
			if err := projections.CatchUp(t.Context(), store, closing, memory, max); err != nil {
				r.Fatal(err)
			}
			wantAmounts(t, memory, want)
		}
	})
}

func TestRunAgainGoesOnWhereItStopped(t *testing.T) {
	store, memory := openStore(t, 2), projections.NewMemory[balance]()
	want := make(map[string]int64)
	for i := range 3 {
		stop := start(t, store, balances(), memory)
		for _, key := range []string{"alice", "bob", "carol"} {
			at := appendTo(t, store, key, deposited{int64(i + 1)}, noted{"not handled"})
			want[key] += int64(i + 1)
			if err := projections.Await(t.Context(), balances(), memory, at); err != nil {
				t.Fatal(err)
			}
		}
		if err := stop(); err != nil {
			t.Fatal(err)
		}
		wantAmounts(t, memory, want)
	}
}

// refusing refuses or panics at an amount until it is cured.
type refusing struct {
	amount int64
	panics bool
	cured  atomic.Bool
}

var errRefused = errors.New("refused by the test")

func (r *refusing) on(ctx context.Context, rows *projections.Rows[balance], e eventstore.Recorded[deposited]) error {
	if e.Data.Amount == r.amount && !r.cured.Load() {
		if r.panics {
			panic(errRefused)
		}
		return errRefused
	}
	row, err := rows.Row(ctx, e.Stream.Key())
	if err != nil {
		return err
	}
	row.Amount += e.Data.Amount
	return nil
}

func TestHandlerErrorStopsExactlyBeforeItsEvent(t *testing.T) {
	for _, panics := range []bool{false, true} {
		for _, batch := range []int{1, 3, 100} {
			t.Run(fmt.Sprintf("panics=%t/batch=%d", panics, batch), func(t *testing.T) {
				store, memory := openStore(t, 1), projections.NewMemory[balance]()
				bad := &refusing{amount: 7, panics: panics}
				projection := projections.Define("balances", projections.On(bad.on))
				var at eventstore.Position
				for amount := range int64(10) {
					if p := appendTo(t, store, "alice", deposited{amount}); amount == 7 {
						at = p
					}
				}
				err := projections.Run(t.Context(), store, projection, memory, projections.CommitMax(batch, 1<<20))
				refused, ok := errors.AsType[*projections.HandlerError](err)
				if !ok || !errors.Is(err, projections.ErrHandler) || !errors.Is(err, errRefused) {
					t.Fatalf("Run returned %v, want a HandlerError", err)
				}
				if refused.Position != at || refused.Type != "account.deposited" || refused.Stream != "account-alice" ||
					refused.Projection != projection.ID() {
					t.Errorf("the error names %+v, want %s", refused, at)
				}
				if _, ok := errors.AsType[*projections.PanicError](err); ok != panics {
					t.Errorf("a PanicError in %v: %t, want %t", err, ok, panics)
				}
				wantAmounts(t, memory, map[string]int64{"alice": 0 + 1 + 2 + 3 + 4 + 5 + 6})

				bad.cured.Store(true)
				if err := projections.CatchUp(t.Context(), store, projection, memory); err != nil {
					t.Fatal(err)
				}
				wantAmounts(t, memory, map[string]int64{"alice": 45})
			})
		}
	}
}

func TestOnBatchGetsEveryEventOnceInOrder(t *testing.T) {
	store, memory := openStore(t, 1), projections.NewMemory[balance]()
	var got []int64
	batches := 0
	projection := projections.Define("balances", projections.OnBatch(
		func(ctx context.Context, rows *projections.Rows[balance], events []eventstore.Recorded[deposited]) error {
			batches++
			for _, e := range events {
				got = append(got, e.Data.Amount)
			}
			return nil
		}))
	for amount := range int64(100) {
		appendTo(t, store, "alice", deposited{amount}, withdrawn{1})
	}
	if err := projections.CatchUp(t.Context(), store, projection, memory); err != nil {
		t.Fatal(err)
	}
	for i, amount := range got {
		if amount != int64(i) {
			t.Fatalf("the events came as %v", got)
		}
	}
	if len(got) != 100 || batches == 0 || batches > 100 {
		t.Errorf("%d events came in %d batches", len(got), batches)
	}
}

func TestCommitsAreBounded(t *testing.T) {
	for _, test := range []struct {
		name          string
		events, bytes int
		want          int // events in the largest commit
	}{
		{"by events", 3, 1 << 20, 3},
		{"by bytes", 1000, 10_000, 2},
		{"a large event goes alone", 1000, 1000, 1},
	} {
		t.Run(test.name, func(t *testing.T) {
			store, memory := openStore(t, 1), projections.NewMemory[balance]()
			for range 12 {
				appendTo(t, store, "alice", noted{strings.Repeat("x", 4000)})
			}
			largest, sum := 0, 0
			projection := projections.Define("balances", projections.OnBatch(
				func(ctx context.Context, rows *projections.Rows[balance], events []eventstore.Recorded[noted]) error {
					largest, sum = max(largest, len(events)), sum+len(events)
					return nil
				}))
			if err := projections.CatchUp(t.Context(), store, projection, memory, projections.CommitMax(test.events, test.bytes)); err != nil {
				t.Fatal(err)
			}
			if sum != 12 || largest > test.want {
				t.Errorf("%d events came, %d in one commit, want at most %d", sum, largest, test.want)
			}
		})
	}
}

func TestOnBatchErrorNamesTheFirstEventOfTheBatch(t *testing.T) {
	store, memory := openStore(t, 1), projections.NewMemory[balance]()
	projection := projections.Define("balances", projections.Fold(onDeposited), projections.OnBatch(
		func(context.Context, *projections.Rows[balance], []eventstore.Recorded[withdrawn]) error {
			return errRefused
		}))
	appendTo(t, store, "alice", deposited{1}, deposited{2})
	at := appendTo(t, store, "alice", withdrawn{1})
	appendTo(t, store, "alice", deposited{4})
	err := projections.CatchUp(t.Context(), store, projection, memory)
	if refused, ok := errors.AsType[*projections.HandlerError](err); !ok || refused.Position != at {
		t.Fatalf("CatchUp returned %v, want a HandlerError at %s", err, at)
	}
	wantAmounts(t, memory, map[string]int64{"alice": 3})
}

func TestAWorkerThatWasTakenOverIsFenced(t *testing.T) {
	store, memory := openStore(t, 2), projections.NewMemory[balance]()
	first := make(chan error, 1)
	go func() { first <- projections.Run(t.Context(), store, balances(), memory) }()
	if err := projections.Await(t.Context(), balances(), memory, appendTo(t, store, "alice", deposited{1})); err != nil {
		t.Fatal(err)
	}
	stop := start(t, store, balances(), memory)
	for now, err := range memory.Watch(t.Context(), balances().ID()) {
		if err != nil {
			t.Fatal(err)
		}
		if now.Partitions[0].Epoch == 2 && now.Partitions[1].Epoch == 2 {
			break
		}
	}
	at := appendTo(t, store, "alice", deposited{2})
	if err := <-first; !errors.Is(err, projections.ErrFenced) {
		t.Fatalf("the first worker returned %v, want ErrFenced", err)
	}
	if err := projections.Await(t.Context(), balances(), memory, at); err != nil {
		t.Fatal(err)
	}
	if err := stop(); err != nil {
		t.Fatal(err)
	}
	wantAmounts(t, memory, map[string]int64{"alice": 3})
}

func TestStopLetsTheRunningHandlerFinish(t *testing.T) {
	for _, test := range []struct {
		name    string
		handler time.Duration // what the handler takes
		took    time.Duration // what Run takes from its stop on
		want    error
		amount  int64
	}{
		{"in time", 9 * time.Second, 9 * time.Second, nil, 5},
		{"too late", time.Minute, 10 * time.Second, projections.ErrStopTimeout, 0},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				store, memory := openStore(t, 1), projections.NewMemory[balance]()
				running := make(chan struct{})
				projection := projections.Define("balances", projections.On(
					func(ctx context.Context, rows *projections.Rows[balance], e eventstore.Recorded[deposited]) error {
						close(running)
						row, err := rows.Row(ctx, "alice")
						if err != nil {
							return err
						}
						row.Amount += e.Data.Amount
						select {
						case <-time.After(test.handler):
							return nil
						case <-ctx.Done():
							return ctx.Err()
						}
					}))
				stop := start(t, store, projection, memory)
				appendTo(t, store, "alice", deposited{5})
				<-running
				began := time.Now()
				if err := stop(); !errors.Is(err, test.want) {
					t.Errorf("Run returned %v, want %v", err, test.want)
				}
				if took := time.Since(began); took != test.took {
					t.Errorf("the stop took %s, want %s", took, test.took)
				}
				if row, _ := memory.Get("alice"); row.Amount != test.amount {
					t.Errorf("the row has %d, want %d", row.Amount, test.amount)
				}
			})
		})
	}
}

func TestSlowHandlersGetSmallCommits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store, memory := openStore(t, 1), projections.NewMemory[balance]()
		slow := projections.Define("balances", projections.On(
			func(ctx context.Context, rows *projections.Rows[balance], e eventstore.Recorded[deposited]) error {
				if e.Data.Amount > 100 {
					<-time.After(5 * time.Second)
				}
				row, err := rows.Row(ctx, e.Stream.Key())
				row.Amount++
				return err
			}))
		for i := range 10 {
			appendTo(t, store, "alice", deposited{int64(101 + i)})
		}
		stop := start(t, store, slow, memory)
		for i := range int64(10) { // a row is visible for each event: none shares its commit
			<-time.After(5 * time.Second)
			synctest.Wait()
			if row, _ := memory.Get("alice"); row.Amount != i+1 {
				t.Errorf("after %d events the row has %d", i+1, row.Amount)
			}
		}
		if err := stop(); err != nil {
			t.Fatal(err)
		}
	})
}

func TestCatchUpThatIsStoppedSaysSo(t *testing.T) {
	store, memory := openStore(t, 1), projections.NewMemory[balance]()
	ctx, cancel := context.WithCancelCause(t.Context())
	stopped := errors.New("stopped by the test")
	projection := projections.Define("balances", projections.On(
		func(ctx context.Context, rows *projections.Rows[balance], e eventstore.Recorded[deposited]) error {
			cancel(stopped)
			row, err := rows.Row(ctx, e.Stream.Key())
			row.Amount++
			return err
		}))
	appendTo(t, store, "alice", deposited{1}, deposited{1}, deposited{1})
	if err := projections.CatchUp(ctx, store, projection, memory); !errors.Is(err, stopped) {
		t.Errorf("CatchUp returned %v, want the cause of the stop", err)
	}
	wantAmounts(t, memory, map[string]int64{"alice": 1}) // the commit under way was finished
	if err := projections.CatchUp(t.Context(), store, projection, memory); err != nil {
		t.Fatal(err)
	}
	wantAmounts(t, memory, map[string]int64{"alice": 3})
}

func TestRunWithAnEndedContextDoesNothing(t *testing.T) {
	store, memory := openStore(t, 1), projections.NewMemory[balance]()
	appendTo(t, store, "alice", deposited{1})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := projections.Run(ctx, store, balances(), memory); err != nil {
		t.Errorf("Run returned %v", err)
	}
	if err := projections.CatchUp(ctx, store, balances(), memory); !errors.Is(err, context.Canceled) {
		t.Errorf("CatchUp returned %v", err)
	}
	wantAmounts(t, memory, nil)
}

func TestRebuild(t *testing.T) {
	store, memory := openStore(t, 2), projections.NewMemory[balance]()
	want := make(map[string]int64)
	for i := range int64(200) {
		key := fmt.Sprint("k", i%7)
		appendTo(t, store, key, deposited{i})
		want[key] += i
	}
	wrong := projections.Define("balances", projections.Fold(
		func(b *balance, e eventstore.Recorded[deposited]) { b.Amount -= e.Data.Amount })).Version(2)
	first := make(chan error, 1)
	go func() { first <- projections.Run(t.Context(), store, wrong, memory) }()
	if err := projections.Await(t.Context(), wrong, memory, appendTo(t, store, "k0", noted{})); err != nil {
		t.Fatal(err)
	}

	var last projections.Progress
	calls := 0
	err := projections.Rebuild(t.Context(), store, balances(), memory, projections.OnProgress(func(p projections.Progress) {
		if p.Done < last.Done || p.Elapsed < last.Elapsed {
			t.Errorf("progress went from %+v to %+v", last, p)
		}
		last = p
		calls++
	}))
	if err != nil {
		t.Fatal(err)
	}
	if last.Done != 201 || last.Total != 201 || last.Rate() <= 0 || last.Remaining() != 0 || calls == 0 {
		t.Errorf("the last of %d progress calls was %+v", calls, last)
	}
	wantAmounts(t, memory, want)

	appendTo(t, store, "k0", deposited{1})
	appendTo(t, store, "k1", deposited{1}) // one for each partition, so that the worker of the past commits
	appendTo(t, store, "k2", deposited{1})
	if err := <-first; !errors.Is(err, projections.ErrFenced) {
		t.Errorf("the worker of the old rows returned %v, want ErrFenced", err)
	}
	wantAmounts(t, memory, want)
}

func TestDefinitionsThatAreNotValid(t *testing.T) {
	store := openStore(t, 1)
	type stranger struct{}
	fold := projections.Fold(onDeposited)
	for name, test := range map[string]struct {
		projection *projections.Projection[*projections.Rows[balance]]
		want       string
	}{
		"no name":       {projections.Define("", fold), "name"},
		"a bad name":    {projections.Define("a b", fold), "name"},
		"a hidden name": {projections.Define(".a", fold), "name"},
		"a long name":   {projections.Define(strings.Repeat("a", 101), fold), "name"},
		"version 0":     {projections.Define("a", fold).Version(0), "version 0"},
		"no handlers":   {projections.Define[*projections.Rows[balance]]("a"), "no handlers"},
		"an empty one":  {projections.Define("a", projections.Handler[*projections.Rows[balance]]{}), "empty"},
		"a pointer": {projections.Define("a", projections.Fold(func(*balance, eventstore.Recorded[*deposited]) {})),
			"take projections_test.deposited"},
		"an event without schema": {projections.Define("a", projections.Fold(func(*balance, eventstore.Recorded[stranger]) {})),
			"no schema of the store has the event projections_test.stranger"},
	} {
		for what, err := range map[string]error{
			"Run":     projections.Run(t.Context(), store, test.projection, projections.NewMemory[balance]()),
			"Rebuild": projections.Rebuild(t.Context(), store, test.projection, projections.NewMemory[balance]()),
		} {
			if !errors.Is(err, projections.ErrInvalid) || !strings.Contains(fmt.Sprint(err), test.want) {
				t.Errorf("%s: %s returned %v, want ErrInvalid with %q", name, what, err, test.want)
			}
		}
	}
}

func TestACheckpointOfAnotherLogHalts(t *testing.T) {
	store, memory := openStore(t, 1), projections.NewMemory[balance]()
	at := appendTo(t, store, "alice", deposited{1}, deposited{2}, deposited{3})
	if err := projections.CatchUp(t.Context(), store, balances(), memory); err != nil {
		t.Fatal(err)
	}
	restored := openStore(t, 1)
	appendTo(t, restored, "alice", deposited{1}, deposited{2}, deposited{3}, deposited{4})
	if err := projections.CatchUp(t.Context(), restored, balances(), memory); !errors.Is(err, projections.ErrLogDiverged) {
		t.Errorf("another log: got %v, want ErrLogDiverged", err)
	}
	if _, err := projections.Lag(t.Context(), restored, balances(), memory); !errors.Is(err, projections.ErrLogDiverged) {
		t.Errorf("the lag behind another log: got %v, want ErrLogDiverged", err)
	}
	wantAmounts(t, memory, map[string]int64{"alice": 6})

	for name, mark := range map[string]projections.Mark{
		"another event": {Next: 2, EventID: uuid.Must(uuid.NewV7())},
		"a longer log":  {Next: 4, EventID: uuid.Must(uuid.NewV7())},
	} {
		memory := projections.NewMemory[balance]()
		lane, err := memory.Claim(t.Context(), projections.Claim{
			Projection: "balances", Version: 2, Topic: at.Topic, TopicID: at.TopicID, LogID: at.LogID, Epoch: 1,
		})
		if err != nil {
			t.Fatal(err)
		}
		if err := lane.Commit(t.Context(), mark, func(*projections.Rows[balance]) error { return nil }); err != nil {
			t.Fatal(err)
		}
		if err := projections.CatchUp(t.Context(), store, balances(), memory); !errors.Is(err, projections.ErrLogDiverged) {
			t.Errorf("%s: got %v, want ErrLogDiverged", name, err)
		}
		wantAmounts(t, memory, nil)
	}
}

func TestSetupRunsBeforeTheFirstEvent(t *testing.T) {
	store, memory := openStore(t, 1), projections.NewMemory[balance]()
	appendTo(t, store, "alice", deposited{1})
	projection := projections.Define("balances", projections.Fold(onDeposited)).Setup(
		func(ctx context.Context, rows *projections.Rows[balance]) error {
			row, err := rows.Row(ctx, "alice")
			row.Amount += 100
			return err
		})
	for range 2 {
		if err := projections.CatchUp(t.Context(), store, projection, memory); err != nil {
			t.Fatal(err)
		}
	}
	wantAmounts(t, memory, map[string]int64{"alice": 101})

	panics := projections.Define("balances", projections.Fold(onDeposited)).Setup(
		func(context.Context, *projections.Rows[balance]) error { panic("no table") })
	err := projections.Run(t.Context(), store, panics, projections.NewMemory[balance]())
	if _, ok := errors.AsType[*projections.PanicError](err); !ok {
		t.Errorf("a panic in Setup: got %v, want a PanicError", err)
	}
}
