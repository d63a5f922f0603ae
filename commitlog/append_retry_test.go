package commitlog

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"github.com/strandlog/strand/internal/wire"
)

// step is what becomes of one send of an append.
type step struct {
	code   wire.Code
	actual int64
	lost   error // the send gets no answer
	elect  bool  // and then the shard moves to another session
	whole  bool  // the code refuses the request as a whole
	wrong  bool  // the answer is not one to this request
}

func (s step) answer(b *scriptedBroker, req wire.AppendRequest) (wire.AppendResponse, error) {
	if s.elect {
		defer b.elect(0)
	}
	switch {
	case s.lost != nil:
		return wire.AppendResponse{}, s.lost
	case s.wrong:
		return wire.AppendResponse{Results: make([]wire.AppendResult, len(req.Appends)+1)}, nil
	case s.whole:
		return wire.AppendResponse{Code: s.code, Detail: "because"}, nil
	case s.code == wire.OK:
		return b.store(req), nil
	default:
		return answerAll(req, wire.AppendResult{Code: s.code, Detail: "because", Actual: s.actual}), nil
	}
}

func TestAppendUntilTheTruthIsKnown(t *testing.T) {
	const five = Expected(5)
	tests := []struct {
		name     string
		expected Expected
		steps    []step   // the last one repeats
		since    []uint64 // of each send, see scriptedBroker.since
		want     error    // nil: stored
		not      error    // must not match as well
	}{
		{name: "stored", steps: []step{{}}, since: []uint64{0}},
		{name: "lost, then answered", steps: []step{{lost: errLost}, {}}, since: []uint64{0, 1}},
		{name: "disconnected, then answered", steps: []step{{lost: errDisconnect}, {}}, since: []uint64{0, 1}},
		{name: "lost with its session", steps: []step{{lost: errLost, elect: true}, {}}, since: []uint64{0, 1}},
		{name: "lost twice with a session between", steps: []step{{lost: errLost, elect: true}, {lost: errLost}, {}}, since: []uint64{0, 1, 1}},
		{name: "nobody listens", steps: []step{{lost: errNobody}, {lost: errNobody}, {}}, since: []uint64{0, 0, 0}},
		{name: "not the leader", steps: []step{{code: wire.NotLeader}, {}}, since: []uint64{0, 0}},
		{name: "not the leader any more", steps: []step{{code: wire.NotLeader, elect: true, whole: true}, {}}, since: []uint64{0, 0}},
		{name: "a definite refusal does not count", steps: []step{{lost: errLost}, {code: wire.NotLeader}, {lost: errNobody}, {}}, since: []uint64{0, 1, 1, 1}},
		{name: "proven absent", steps: []step{{lost: errLost}, {code: wire.Retry}, {}}, since: []uint64{0, 1, 0}},
		{name: "proven absent, then lost in the next session", steps: []step{{lost: errLost}, {code: wire.Retry, elect: true}, {lost: errLost, elect: true}, {}}, since: []uint64{0, 1, 0, 2}},
		{name: "unknown to the broker", steps: []step{{code: wire.Unknown}, {code: wire.Unknown}, {}}, since: []uint64{0, 1, 1}},
		{name: "a fault of the broker", steps: []step{{code: wire.Internal, whole: true}, {}}, since: []uint64{0, 1}},
		{name: "an answer to something else", steps: []step{{wrong: true}, {}}, since: []uint64{0, 1}},
		{name: "an unknown code", steps: []step{{code: 99}, {}}, since: []uint64{0, 1}},

		{name: "conflict", steps: []step{{code: wire.Conflict, actual: 1}}, since: []uint64{0}, want: ErrConflict, not: ErrIndefinite},
		{name: "behind the expected version", expected: five, steps: []step{{code: wire.Conflict, actual: 3}}, since: []uint64{0}, want: ErrConflict, not: ErrIndefinite},
		{name: "no such stream", expected: StreamExists, steps: []step{{code: wire.Conflict}}, since: []uint64{0}, want: ErrConflict, not: ErrIndefinite},
		{name: "lost, then beyond the expected version", expected: five, steps: []step{{lost: errLost}, {code: wire.Conflict, actual: 6}}, since: []uint64{0, 1}, want: ErrConflict, not: ErrIndefinite},
		{name: "lost, then the stream exists", steps: []step{{lost: errLost}, {code: wire.Conflict, actual: 1}}, since: []uint64{0, 1}, want: ErrConflict, not: ErrIndefinite},
		{name: "lost, then behind the expected version", expected: five, steps: []step{{lost: errLost}, {code: wire.Conflict, actual: 3}}, since: []uint64{0, 1}, want: ErrIndefinite, not: ErrConflict},
		{name: "lost, then no such stream", expected: StreamExists, steps: []step{{lost: errLost, elect: true}, {code: wire.Conflict}}, since: []uint64{0, 1}, want: ErrIndefinite, not: ErrConflict},
		{name: "lost, refused, then behind", expected: five, steps: []step{{lost: errLost}, {code: wire.NotLeader, elect: true}, {code: wire.Conflict, actual: 3}}, since: []uint64{0, 1, 1}, want: ErrIndefinite, not: ErrConflict},
		{name: "lost, proven absent, then behind", expected: five, steps: []step{{lost: errLost}, {code: wire.Retry, elect: true}, {code: wire.Conflict, actual: 3}}, since: []uint64{0, 1, 0}, want: ErrConflict, not: ErrIndefinite},

		{name: "ruled out", steps: []step{{code: wire.ConditionFailed, actual: 7}}, since: []uint64{0}, want: ErrConditionFailed, not: ErrIndefinite},
		{name: "lost, then ruled out", steps: []step{{lost: errLost}, {code: wire.ConditionFailed, actual: 7}}, since: []uint64{0, 1}, want: ErrConditionFailed, not: ErrIndefinite},
		{name: "unknown, then ruled out", expected: Any, steps: []step{{code: wire.Unknown}, {lost: errLost, elect: true}, {code: wire.ConditionFailed}}, since: []uint64{0, 1, 1}, want: ErrConditionFailed, not: ErrIndefinite},
		{name: "beyond the end", steps: []step{{code: wire.OffsetRange, actual: 3}}, since: []uint64{0}, want: ErrOffsetOutOfRange, not: ErrIndefinite},
		{name: "lost, then beyond the end", steps: []step{{lost: errLost}, {code: wire.OffsetRange, actual: 3}}, since: []uint64{0, 1}, want: ErrIndefinite, not: ErrOffsetOutOfRange},

		{name: "overloaded", steps: []step{{code: wire.Overloaded}}, since: []uint64{0}, want: ErrOverloaded, not: ErrIndefinite},
		{name: "lost, overloaded, stored", steps: []step{{lost: errLost}, {code: wire.Overloaded}, {}}, since: []uint64{0, 1, 1}},
		{name: "too few replicas", steps: []step{{code: wire.NotEnoughSync, whole: true}}, since: []uint64{0}, want: ErrNotEnoughReplicas, not: ErrIndefinite},
		{name: "too large", steps: []step{{code: wire.TooLarge}}, since: []uint64{0}, want: ErrAppendTooLarge, not: ErrIndefinite},
		{name: "invalid", steps: []step{{code: wire.Invalid}}, since: []uint64{0}, want: ErrInvalid, not: ErrIndefinite},
		{name: "lost, then invalid", steps: []step{{lost: errLost}, {code: wire.Invalid}}, since: []uint64{0, 1}, want: ErrIndefinite, not: ErrInvalid},
		{name: "id reuse", steps: []step{{code: wire.IDReuse}}, since: []uint64{0}, want: ErrIDReuse, not: ErrIndefinite},
		{name: "unknown topic", steps: []step{{code: wire.UnknownTopic}}, since: []uint64{0}, want: ErrUnknownTopic, not: ErrIndefinite},
		{name: "corrupt", steps: []step{{code: wire.Corrupt}}, since: []uint64{0}, want: ErrCorrupt},
		{name: "corrupt is not definite", steps: []step{{code: wire.Corrupt}}, since: []uint64{0}, want: ErrIndefinite},
		{name: "diverged", steps: []step{{code: wire.LogDiverged, whole: true}}, since: []uint64{0}, want: ErrLogDiverged},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newBroker(1)
				sends := 0
				b.append = func(req wire.AppendRequest) (wire.AppendResponse, error) {
					s := tt.steps[min(sends, len(tt.steps)-1)]
					sends++
					return s.answer(b, req)
				}
				c, topic := b.connect(t, Config{})
				a := one("account-alice", tt.expected)
				a.Conditions = []Condition{{Partition: 1, After: 5, Tags: []string{"t"}}}
				got, err := c.Append(t.Context(), topic, a)
				if !errors.Is(err, tt.want) {
					t.Fatalf("got %v, want %v", err, tt.want)
				}
				if tt.not != nil && errors.Is(err, tt.not) {
					t.Errorf("%v must not match %v", err, tt.not)
				}
				if tt.want == nil && (len(got.Writes) != 1 || got.Writes[0].Count != 1 || got.Duplicate) {
					t.Errorf("got %+v", got)
				}
				if diff := cmp.Diff(tt.since, b.since()); diff != "" {
					t.Errorf("what was said of earlier sends differs (-want +got):\n%s", diff)
				}
				first := b.appends[0]
				for _, req := range b.appends {
					if req.Producer != first.Producer || req.Appends[0].Sequence != 1 || req.Appends[0].Writes[0].Events[0].ID != first.Appends[0].Writes[0].Events[0].ID {
						t.Errorf("sent again as producer %d, sequence %d, event %v", req.Producer, req.Appends[0].Sequence, req.Appends[0].Writes[0].Events[0].ID)
					}
				}
			})
		})
	}
}

func TestAppendGivesUp(t *testing.T) {
	tests := []struct {
		name      string
		step      step
		want, not error
	}{
		{"what may be stored", step{lost: errLost}, ErrIndefinite, ErrUnavailable},
		{"what the broker knows nothing of", step{code: wire.Unknown}, ErrIndefinite, ErrUnavailable},
		{"what nobody takes", step{lost: errNobody}, ErrUnavailable, ErrIndefinite},
		{"what no leader takes", step{code: wire.NotLeader}, ErrUnavailable, ErrIndefinite},
		{"what is never evaluated", step{code: wire.Retry, elect: true}, ErrUnavailable, ErrIndefinite},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newBroker(1)
				b.append = func(req wire.AppendRequest) (wire.AppendResponse, error) {
					wait(t.Context(), time.Millisecond)
					return tt.step.answer(b, req)
				}
				c, topic := b.connect(t, Config{})
				begin := time.Now()
				_, err := c.Append(t.Context(), topic, one("account-alice", NoStream))
				if !errors.Is(err, tt.want) || errors.Is(err, tt.not) {
					t.Errorf("got %v, want %v", err, tt.want)
				}
				if errors.Is(err, context.DeadlineExceeded) {
					t.Errorf("%v blames the caller's context", err)
				}
				if d := time.Since(begin); d != 20*time.Second {
					t.Errorf("it took %v", d)
				}
				if n := len(b.since()); n > 100 {
					t.Errorf("it was sent %d times", n)
				}
			})
		})
	}
}

// Of an append that names no version, and was sent in a session that the broker has forgotten something of, nobody can tell for ever.
func TestAnUndecidedAppendDoesNotHoldUpTheOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBroker(1)
		var stuck uuid.UUID
		b.append = func(req wire.AppendRequest) (wire.AppendResponse, error) {
			if stuck == uuid.Nil {
				stuck = req.Appends[0].Writes[0].Events[0].ID
				return wire.AppendResponse{}, errDisconnect
			}
			resp := b.store(req)
			for i, a := range req.Appends {
				if a.Writes[0].Events[0].ID == stuck {
					resp.Results[i] = wire.AppendResult{Code: wire.Unknown}
				}
			}
			return resp, nil
		}
		c, topic := b.connect(t, Config{})
		done := make(chan error)
		go func() {
			_, err := c.Append(t.Context(), topic, one("account-stuck", StreamExists))
			done <- err
		}()
		synctest.Wait()
		begin := time.Now()
		for range 2 * wire.SequencesKept {
			if _, err := c.Append(t.Context(), topic, one("account-alice", Any)); err != nil {
				t.Fatal(err)
			}
		}
		if d := time.Since(begin); d > 3*backoffMax {
			t.Errorf("the others took %v", d)
		}
		if err := <-done; !errors.Is(err, ErrIndefinite) {
			t.Errorf("got %v, want ErrIndefinite", err)
		}
		checkSequences(t, b.appends)
	})
}

// checkSequences proves what the broker's memory of sequences relies on: none is used for two appends, and none comes when it may be forgotten.
func checkSequences(t *testing.T, requests []wire.AppendRequest) {
	t.Helper()
	type sequence struct{ producer, sequence uint64 }
	owner := make(map[sequence]uuid.UUID)
	newest := make(map[uint64]uint64)
	for _, req := range requests {
		for _, a := range req.Appends {
			key, id := sequence{req.Producer, a.Sequence}, a.Writes[0].Events[0].ID
			if first, ok := owner[key]; ok && first != id {
				t.Fatalf("sequence %d of producer %x was used twice", a.Sequence, req.Producer)
			}
			owner[key] = id
			newest[req.Producer] = max(newest[req.Producer], a.Sequence)
			if newest[req.Producer]-a.Sequence >= wire.SequencesKept {
				t.Fatalf("sequence %d was sent after %d", a.Sequence, newest[req.Producer])
			}
		}
	}
}
