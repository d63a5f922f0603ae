package commitlog

import (
	"context"
	"fmt"
	"sync"
	"testing"

	"github.com/strandlog/strand/internal/wire"
)

// echo is a transport that stores everything at once and costs next to nothing: what remains is the client.
type echo struct {
	*scriptedBroker
	req  wire.AppendRequest
	resp wire.AppendResponse
}

func (e *echo) request(ctx context.Context, subject string, payload []byte) ([]byte, error) {
	if verb, _ := e.parse(subject); verb != wire.VerbAppend {
		return e.scriptedBroker.request(ctx, subject, payload)
	}
	if err := e.req.Decode(payload); err != nil {
		return nil, err
	}
	e.resp.Results = e.resp.Results[:0]
	for _, a := range e.req.Appends {
		e.resp.Results = append(e.resp.Results, wire.AppendResult{Writes: []wire.WriteResult{{Partition: a.Writes[0].Partition, Count: 1, FirstVersion: 1}}})
	}
	return e.resp.AppendTo(nil), nil
}

// An append allocates what it returns; what else it takes it leaves to the next one.
func TestAppendingTakesLittleMemory(t *testing.T) {
	e := &echo{scriptedBroker: newBroker(1)}
	c := newClient(e, Config{})
	defer c.Close()
	topic, err := newTopic(e.topic)
	if err != nil {
		t.Fatal(err)
	}
	a := one("account-alice", Any)
	a.Writes[0].Events[0].Value = make([]byte, 256)
	const together = 64 // appends that may share a request, whose own memory is little for each of them
	allocs := testing.AllocsPerRun(20, func() {
		var all sync.WaitGroup
		for range together {
			all.Go(func() {
				for range 10 {
					if _, err := c.Append(t.Context(), topic, a); err != nil {
						t.Error(err)
					}
				}
			})
		}
		all.Wait()
	}) / (10 * together)
	if allocs > 8 {
		t.Errorf("%.1f allocations for each append", allocs)
	}
}

func BenchmarkAppend(b *testing.B) {
	for _, writers := range []int{1, 64, 512} {
		b.Run(fmt.Sprintf("writers=%d", writers), func(b *testing.B) {
			e := &echo{scriptedBroker: newBroker(1)}
			c := newClient(e, Config{})
			defer c.Close()
			topic, err := newTopic(e.topic)
			if err != nil {
				b.Fatal(err)
			}
			a := one("account-alice", Any)
			a.Writes[0].Events[0].Value = make([]byte, 256)
			a.Writes[0].Events[0].Headers = []Header{{wire.HeaderType, []byte("account.deposited")}}
			b.ReportAllocs()
			b.SetParallelism(max(writers/2, 1))
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					if _, err := c.Append(b.Context(), topic, a); err != nil {
						b.Error(err)
						return
					}
				}
			})
		})
	}
}
