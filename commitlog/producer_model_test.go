package commitlog

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/strandlog/strand/internal/wire"
	"pgregory.net/rapid"
)

// modelShelf stores batches as the protocol says and misbehaves as networks do: requests and answers get lost, requests arrive late and twice (but
// never after their session), sessions end, and with some of them all that is remembered of producers. It decides by the bytes that it is given, one for
// each request.
type modelShelf struct {
	*scriptedBroker
	choices []byte
	late    []wire.ProduceRequest // to the current session
}

func (m *modelShelf) choose() byte {
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(m.choices) == 0 {
		return 0 // answer: whatever happened, the end is calm
	}
	c := m.choices[0]
	m.choices = m.choices[1:]
	return c
}

func (m *modelShelf) serve(req wire.ProduceRequest) (wire.ProduceResponse, error) {
	choice := m.choose()
	if choice%32 >= 16 { // those that were on their way arrive, some of them twice
		for _, late := range m.late {
			m.shelve(late)
		}
		if m.late = m.late[:len(m.late)/2]; choice%64 < 32 {
			m.late = nil
		}
	}
	if choice >= 192 {
		defer m.forget(m.epoch())
	}
	switch choice % 16 {
	case 1:
		return wire.ProduceResponse{}, errLost
	case 2:
		m.late = append(m.late, req)
		return wire.ProduceResponse{}, errLost
	case 3:
		m.shelve(req)
		return wire.ProduceResponse{}, errDisconnect
	case 4:
		m.end()
		return wire.ProduceResponse{}, errLost
	case 5:
		m.shelve(req)
		m.end()
		return wire.ProduceResponse{}, errLost
	case 6:
		m.end()
		return wire.ProduceResponse{Code: wire.NotLeader}, nil
	case 7: // the frame fails, and with it the session: the next one proves that nothing of it is in the log
		defer m.end()
		return m.fail(req), nil
	case 8:
		return wire.ProduceResponse{Code: wire.Overloaded}, nil
	case 9:
		return wire.ProduceResponse{}, errNobody
	case 10: // one batch of the request is refused, and with it what follows
		resp := m.shelve(wire.ProduceRequest{Producer: req.Producer, Batches: req.Batches[:len(req.Batches)/2]})
		for range req.Batches[len(req.Batches)/2:] {
			resp.Results = append(resp.Results, wire.ProduceResult{Code: wire.NotEnoughSync})
		}
		return resp, nil
	case 11:
		m.shelve(req)
		return answerAllBatches(req, wire.ProduceResult{Code: wire.Unknown}), nil
	case 12: // arrives twice
		m.shelve(req)
		return m.shelve(req), nil
	}
	return m.shelve(req), nil
}

// end is the end of a session: what was addressed to it and is still on its way will not arrive.
func (m *modelShelf) end() {
	m.late = nil
	m.elect(0)
}

// epoch is that of the current session.
func (m *modelShelf) epoch() uint64 {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.topic.Shard[0].Epoch
}

// forget drops what is known of producers, if the session of that epoch is over: of a session that serves nothing is forgotten.
func (m *modelShelf) forget(epoch uint64) {
	if epoch < m.epoch() {
		m.mu.Lock()
		defer m.mu.Unlock()
		clear(m.shelf.known)
		clear(m.shelf.newest)
		m.shelf.forgotten = epoch
	}
}

// fail answers what was stored before and proves the rest absent.
func (m *modelShelf) fail(req wire.ProduceRequest) (resp wire.ProduceResponse) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for i := range req.Batches {
		_, key := m.shelf.look(req.Producer, &req.Batches[i])
		r, ok := m.shelf.known[key]
		switch {
		case ok:
		case m.shelf.mayBeForgotten(&req.Batches[i]):
			r = wire.ProduceResult{Code: wire.Unknown}
		default:
			r = wire.ProduceResult{Code: wire.Retry}
		}
		resp.Results = append(resp.Results, r)
	}
	return resp
}

// modelSender sends records, numbered in their partitions, with pauses in between.
func modelSender(t *testing.T, p *Producer, l *ledger, sender, records int, pause time.Duration) {
	for i := range records {
		name := fmt.Sprintf("%d/%03d", sender, i)
		if err := p.Send(t.Context(), Message{Value: []byte(name), Partition: new(int32((sender + i) % testPartitions))}, l.of(name)); err != nil {
			t.Error(err)
		}
		wait(t.Context(), pause)
	}
}

// check returns what is wrong with the outcomes, given what is stored.
func (l *ledger) check(m *modelShelf) (wrong []string) {
	if m.shelf.broken != nil {
		wrong = append(wrong, m.shelf.broken.Error())
	}
	for _, name := range l.twice {
		wrong = append(wrong, name+" was told twice")
	}
	at := map[string]Delivery{}
	for partition := range int32(testPartitions) {
		newest := map[string]string{} // by sender
		for offset, name := range m.shelf.values(partition) {
			if _, twice := at[name]; twice {
				wrong = append(wrong, name+" is stored twice")
			}
			at[name] = Delivery{Partition: partition, Offset: int64(offset)}
			if sender := name[:1]; newest[sender] >= name {
				wrong = append(wrong, fmt.Sprintf("%s is stored after %s", name, newest[sender]))
			} else {
				newest[sender] = name
			}
		}
	}
	for name, d := range l.delivered {
		if stored, ok := at[name]; !ok || stored.Partition != d.Partition || stored.Offset != d.Offset {
			wrong = append(wrong, fmt.Sprintf("%s was delivered to %+v and is at %+v", name, d, stored))
		}
	}
	for name, err := range l.failed {
		if stored, ok := at[name]; ok && !errors.Is(err, ErrIndefinite) {
			wrong = append(wrong, fmt.Sprintf("%s was refused (%v) and is stored at %+v", name, err, stored))
		}
		if order := new(OutOfOrderError); strings.Contains(err.Error(), "records that were sent later are stored") || errors.As(err, &order) {
			wrong = append(wrong, fmt.Sprintf("%s came after its successors: %v", name, err))
		}
	}
	return wrong
}

// Whatever the network and the sequencer do: a record that was delivered is stored once and where it was said, one that failed is not stored and never
// will be unless it is indefinite, and the records of one sender to one partition are stored in their order.
func TestDeliveriesAreTrue(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		choices := rapid.SliceOfN(rapid.Byte(), 0, 60).Draw(rt, "choices")
		senders := rapid.IntRange(1, 3).Draw(rt, "senders")
		records := rapid.IntRange(1, 40).Draw(rt, "records")
		pause := rapid.SampledFrom([]time.Duration{0, time.Millisecond, 300 * time.Millisecond}).Draw(rt, "pause")
		cfg := ProducerConfig{
			DeliveryTimeout: rapid.SampledFrom([]time.Duration{time.Second, 12 * time.Second, 0, 2 * time.Hour}).Draw(rt, "delivery timeout"),
			Linger:          rapid.SampledFrom([]time.Duration{0, 50 * time.Millisecond}).Draw(rt, "linger"),
			BatchBytesMax:   memoryMin,
		}
		patience := rapid.SampledFrom([]time.Duration{time.Second, time.Hour}).Draw(rt, "patience")
		synctest.Test(t, func(t *testing.T) {
			m := &modelShelf{scriptedBroker: newPlainBroker(1), choices: choices}
			m.produce = m.serve
			p, _ := produceOn(t, m.scriptedBroker, cfg)
			l := newLedger()
			var all sync.WaitGroup
			for i := range senders {
				all.Go(func() { modelSender(t, p, l, i, records, pause) })
			}
			all.Wait()
			ctx, cancel := context.WithTimeout(t.Context(), patience)
			err := p.Close(ctx)
			cancel()
			if lost, ok := errors.AsType[*NotDeliveredError](err); ok != (len(l.failed) > 0) || ok && lost.Records != len(l.failed) {
				rt.Errorf("%d records failed, Close returned %v", len(l.failed), err)
			}
			for _, late := range m.late { // the worst time to arrive
				m.shelve(late)
			}
			if len(l.order) != senders*records {
				rt.Errorf("%d of %d records were told", len(l.order), senders*records)
			}
			wrong := l.check(m)
			slices.Sort(wrong)
			for _, w := range wrong {
				rt.Error(w)
			}
			if !p.memory.tryTake(p.cfg.BufferBytesMax) {
				rt.Error("memory is missing")
			}
		})
	})
}
