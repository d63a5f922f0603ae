package commitlog

import (
	"context"
	"fmt"
	"testing"

	"github.com/strandlog/strand/internal/wire"
)

// produceEcho is a transport that stores every batch at once and costs next to nothing: what remains is the producer.
type produceEcho struct {
	*scriptedBroker
	req   wire.ProduceRequest
	resp  wire.ProduceResponse
	bytes int
}

func (e *produceEcho) request(ctx context.Context, subject string, payload []byte) ([]byte, error) {
	if verb, _ := e.parse(subject); verb != wire.VerbProduce {
		return e.scriptedBroker.request(ctx, subject, payload)
	}
	if err := e.req.Decode(payload); err != nil {
		return nil, err
	}
	e.bytes += len(payload)
	e.resp.Results = e.resp.Results[:0]
	for range e.req.Batches {
		e.resp.Results = append(e.resp.Results, wire.ProduceResult{Timestamp: brokerTime})
	}
	return e.resp.AppendTo(nil), nil
}

func (e *produceEcho) start(subject string, payload []byte) func(context.Context) ([]byte, error) {
	reply, err := e.request(context.Background(), subject, payload)
	return func(context.Context) ([]byte, error) { return reply, err }
}

// benchValue is of 256 bytes and compresses as JSON does.
func benchValue(i int) []byte {
	return fmt.Appendf(make([]byte, 0, 256), `{"id":"%08d","type":"page.viewed","user":"user-%d","path":"/products/%d/details","referrer":"https://example.com/search?q=%d","agent":"Mozilla/5.0 (X11; Linux x86_64)","ms":%d,"country":"%c%c","experiment":"%x","ok":true}`,
		i*7919, i%1000, i*31%9973, i%77, i*13%2000, 'A'+i%26, 'A'+i/26%26, i*2654435761)
}

func BenchmarkSend(b *testing.B) {
	values := make([][]byte, 4096)
	keys := make([][]byte, len(values))
	for i := range values {
		values[i], keys[i] = benchValue(i), fmt.Appendf(nil, "user-%d", i%1000)
	}
	for _, compression := range []Compression{Uncompressed, S2, LZ4, Zstd} {
		for _, goroutines := range []int{1, 4} {
			b.Run(fmt.Sprintf("compression=%d/goroutines=%d", compression, goroutines), func(b *testing.B) {
				e := &produceEcho{scriptedBroker: newPlainBroker(1)}
				c := newClient(e, Config{})
				defer c.Close()
				topic, err := newTopic(e.topic)
				if err != nil {
					b.Fatal(err)
				}
				p, err := c.Producer(b.Context(), topic, ProducerConfig{Compression: compression})
				if err != nil {
					b.Fatal(err)
				}
				headers := []Header{{wire.HeaderType, []byte("page.viewed")}}
				told := func(Delivery, error) {}
				b.ReportAllocs()
				b.SetBytes(int64(len(values[0])))
				b.SetParallelism(max(goroutines/2, 1))
				b.ResetTimer()
				send := func(i int) {
					if err := p.Send(b.Context(), Message{Key: keys[i%len(keys)], Value: values[i%len(values)], Headers: headers}, told); err != nil {
						b.Error(err)
					}
				}
				if goroutines == 1 {
					for i := range b.N {
						send(i)
					}
				} else {
					b.RunParallel(func(pb *testing.PB) {
						for i := 0; pb.Next(); i++ {
							send(i)
						}
					})
				}
				if err := p.Close(b.Context()); err != nil {
					b.Error(err)
				}
				b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "records/s")
				b.ReportMetric(float64(e.bytes)/float64(b.N), "sentB/record")
			})
		}
	}
}

// TestSendAllocatesNothingForARecord guards what the benchmark shows: what is allocated is for batches and requests.
func TestSendAllocatesNothingForARecord(t *testing.T) {
	e := &produceEcho{scriptedBroker: newPlainBroker(1)}
	c := newClient(e, Config{})
	defer c.Close()
	topic, err := newTopic(e.topic)
	if err != nil {
		t.Fatal(err)
	}
	p, err := c.Producer(t.Context(), topic, ProducerConfig{})
	if err != nil {
		t.Fatal(err)
	}
	m := Message{Key: []byte("alice"), Value: make([]byte, 100), Headers: []Header{{wire.HeaderType, []byte("page.viewed")}}}
	told := func(Delivery, error) {}
	send := func() {
		for range 10000 {
			if err := p.Send(t.Context(), m, told); err != nil {
				t.Error(err)
			}
		}
		if err := p.Flush(t.Context()); err != nil {
			t.Error(err)
		}
	}
	send()
	if allocs := testing.AllocsPerRun(5, send) / 10000; allocs > 0.1 {
		t.Errorf("%v allocations for each record", allocs)
	}
	if err := p.Close(t.Context()); err != nil {
		t.Error(err)
	}
}
