package commitlog

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/uuid"
	"github.com/strandlog/strand/internal/partitioner"
	"github.com/strandlog/strand/internal/wire"
	"pgregory.net/rapid"
)

// modelBroker stores appends as the sequencer's rules say and misbehaves as networks do: requests and answers get lost, requests arrive late (but
// never after their session), sessions end, and with some of them all that is remembered of producers. It decides by the bytes that it is given, one for
// each request.
type modelBroker struct {
	*scriptedBroker
	choices []byte

	mu        sync.Mutex
	late      []wire.AppendRequest // to the current session
	streams   map[string][]uuid.UUID
	known     map[[2]uint64]wire.AppendResult // by producer and sequence
	forgotten uint64                          // epoch up to which something of what was known is not any more
}

func (m *modelBroker) choose() byte {
	if len(m.choices) == 0 {
		return 0 // answer: whatever happened, the end is calm
	}
	c := m.choices[0]
	m.choices = m.choices[1:]
	return c
}

func (m *modelBroker) serve(req wire.AppendRequest) (wire.AppendResponse, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	choice := m.choose()
	if choice%16 >= 8 { // those that were on their way arrive
		for _, late := range m.late {
			m.evaluate(late)
		}
		m.late = nil
	}
	if choice >= 192 {
		defer m.forget(m.epoch())
	}
	switch choice % 8 {
	case 1:
		return wire.AppendResponse{}, errLost
	case 2:
		m.late = append(m.late, req)
		return wire.AppendResponse{}, errLost
	case 3:
		m.evaluate(req)
		return wire.AppendResponse{}, errDisconnect
	case 4:
		m.end()
		return wire.AppendResponse{}, errLost
	case 5:
		m.evaluate(req)
		m.end()
		return wire.AppendResponse{}, errLost
	case 6:
		m.end()
		return wire.AppendResponse{Code: wire.NotLeader}, nil
	case 7:
		// The frame of this request fails, and with it the session: the next one proves that nothing of it is in the log.
		defer m.end()
		return m.fail(req), nil
	}
	return m.evaluate(req), nil
}

// end is the end of a session: what was addressed to it and is still on its way will not arrive.
func (m *modelBroker) end() {
	m.late = nil
	m.elect(0)
}

// epoch is that of the current session.
func (m *modelBroker) epoch() uint64 {
	m.scriptedBroker.mu.Lock()
	defer m.scriptedBroker.mu.Unlock()
	return m.topic.Shard[0].Epoch
}

// forget drops what is known of producers, if the session of that epoch is over: of a session that serves nothing is forgotten.
func (m *modelBroker) forget(epoch uint64) {
	if epoch < m.epoch() {
		clear(m.known)
		m.forgotten = epoch
	}
}

func (m *modelBroker) evaluate(req wire.AppendRequest) (resp wire.AppendResponse) {
	for _, a := range req.Appends {
		r, ok := m.remembered(req.Producer, &a)
		if !ok {
			if r = m.evaluateOne(&a); r.Code == wire.OK {
				m.known[[2]uint64{req.Producer, a.Sequence}] = r
			}
		}
		resp.Results = append(resp.Results, r)
	}
	return resp
}

// remembered is the answer to an append that was stored, or of which nobody can tell.
func (m *modelBroker) remembered(producer uint64, a *wire.Append) (wire.AppendResult, bool) {
	if r, ok := m.known[[2]uint64{producer, a.Sequence}]; ok {
		return r, true
	}
	w := a.Writes[0]
	events := m.streams[string(w.Stream)] // the only stream, so its versions are its partition's offsets
	switch e := int64(w.Expected); {
	case e >= 0 && e < int64(len(events)) && events[e] == w.Events[0].ID:
		return wire.AppendResult{Duplicate: true, Writes: []wire.WriteResult{{Partition: w.Partition, Count: 1, FirstVersion: e + 1}}}, true
	case e < 0 && a.Since > 0 && a.Since <= m.forgotten:
		return wire.AppendResult{Code: wire.Unknown}, true
	}
	return wire.AppendResult{}, false
}

// fail answers what was stored before and proves the rest absent.
func (m *modelBroker) fail(req wire.AppendRequest) (resp wire.AppendResponse) {
	for _, a := range req.Appends {
		r, ok := m.remembered(req.Producer, &a)
		if !ok {
			r = wire.AppendResult{Code: wire.Retry}
		}
		resp.Results = append(resp.Results, r)
	}
	return resp
}

func (m *modelBroker) evaluateOne(a *wire.Append) wire.AppendResult {
	w := a.Writes[0]
	events := m.streams[string(w.Stream)]
	version := int64(len(events))
	ok := w.Expected == wire.Any || w.Expected == wire.StreamExists && version > 0 || int64(w.Expected) == version
	switch {
	case !ok:
		return wire.AppendResult{Code: wire.Conflict, Actual: version}
	case len(a.Conditions) > 0 && a.Conditions[0].After < version:
		return wire.AppendResult{Code: wire.ConditionFailed, Actual: version - 1}
	case len(a.Conditions) > 0 && a.Conditions[0].After > version:
		return wire.AppendResult{Code: wire.OffsetRange, Actual: version}
	}
	m.streams[string(w.Stream)] = append(events, w.Events[0].ID)
	return wire.AppendResult{Writes: []wire.WriteResult{{Partition: w.Partition, Count: 1, FirstVersion: version + 1}}}
}

// outcome is what a writer was told about one append.
type outcome struct {
	id  uuid.UUID
	got Appended
	err error
}

// write appends one event after the other to the same stream, each with the next expectation and on condition that nothing lies behind the next offset,
// where that is not negative.
func write(t *testing.T, c *Client, topic Topic, expected []Expected, after []int64, pause, patience time.Duration) []outcome {
	var outcomes []outcome
	for i, e := range expected {
		a := one("account-shared", e)
		if from := after[i%len(after)]; from >= 0 {
			a.Conditions = []Condition{{Partition: partitioner.Partition("account-shared", testPartitions), After: from}}
		}
		a.Writes[0].Events[0].ID = uuid.Must(uuid.NewV7())
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		got, err := c.Append(ctx, topic, a)
		cancel()
		outcomes = append(outcomes, outcome{a.Writes[0].Events[0].ID, got, err})
		wait(t.Context(), pause)
	}
	return outcomes
}

// check returns what is wrong with an outcome, given the events that are stored.
func (o outcome) check(stored []uuid.UUID) string {
	at := slices.Index(stored, o.id)
	switch {
	case at >= 0 && slices.Contains(stored[at+1:], o.id):
		return "it is stored twice"
	case o.err == nil && (at < 0 || o.got.Writes[0].FirstVersion != int64(at)+1):
		return fmt.Sprintf("it was answered version %d and is at %d", o.got.Writes[0].FirstVersion, at+1)
	case o.err != nil && !errors.Is(o.err, ErrIndefinite) && at >= 0:
		return fmt.Sprintf("it was refused (%v) and is stored at %d", o.err, at+1)
	}
	return ""
}

// Whatever the network and the sequencer do: an append that succeeded is stored once and where the answer says, one that failed is not stored and
// never will be, and only those that are indefinite may be either.
func TestOutcomesAreTrue(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		choices := rapid.SliceOfN(rapid.Byte(), 0, 60).Draw(rt, "choices")
		writers := rapid.IntRange(1, 4).Draw(rt, "writers")
		expected := rapid.SliceOfN(rapid.SampledFrom([]Expected{NoStream, Any, StreamExists, 1, 2, 3}), 1, 8).Draw(rt, "expected")
		after := rapid.SliceOfN(rapid.Int64Range(-3, 4), 1, 8).Draw(rt, "after")
		patience := rapid.SampledFrom([]time.Duration{time.Second, 7 * time.Second, time.Minute}).Draw(rt, "patience")
		synctest.Test(t, func(t *testing.T) {
			m := &modelBroker{
				scriptedBroker: newBroker(1), choices: choices,
				streams: make(map[string][]uuid.UUID), known: make(map[[2]uint64]wire.AppendResult),
			}
			m.append = m.serve
			c, topic := m.connect(t, Config{})
			outcomes := make([][]outcome, writers)
			var all sync.WaitGroup
			for i := range writers {
				all.Go(func() { outcomes[i] = write(t, c, topic, expected, after, time.Duration(i)*time.Millisecond, patience) })
			}
			all.Wait()
			m.mu.Lock()
			defer m.mu.Unlock()
			for _, late := range m.late { // the worst time to arrive
				m.evaluate(late)
			}
			for i := range outcomes {
				for j, o := range outcomes[i] {
					if wrong := o.check(m.streams["account-shared"]); wrong != "" {
						rt.Errorf("writer %d, append %d expecting %s: %s", i, j, describeExpected(expected[j]), wrong)
					}
				}
			}
		})
	})
}
