package broker_test

import (
	"fmt"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/strandlog/strand/brokerd/broker"
	"github.com/strandlog/strand/commitlog"
)

// BenchmarkAppendOnCondition is BenchmarkAppend with a tag on each event, and a condition that looks at all of the log for one that nobody has.
func BenchmarkAppendOnCondition(b *testing.B) {
	for _, writers := range []int{1, 64, 512} {
		b.Run(fmt.Sprintf("%dw", writers), func(b *testing.B) {
			node, err := broker.Start(b.Context(), broker.Config{Dir: b.TempDir(), Listen: "127.0.0.1:0"})
			if err != nil {
				b.Fatal(err)
			}
			defer node.Close(b.Context())
			client, err := commitlog.Dial(b.Context(), node.URL())
			if err != nil {
				b.Fatal(err)
			}
			defer client.Close()
			topic, err := client.CreateTopic(b.Context(), commitlog.TopicConfig{Name: "events", Partitions: 1})
			if err != nil {
				b.Fatal(err)
			}
			value := make([]byte, 256)
			var left atomic.Int64
			left.Store(int64(b.N))
			b.ResetTimer()
			var group sync.WaitGroup
			for w := range writers {
				group.Go(func() {
					for i := 0; left.Add(-1) >= 0; i++ {
						name := fmt.Sprintf("name:%d_%d", w, i)
						_, err := client.Append(b.Context(), topic, commitlog.Append{
							Writes: []commitlog.Write{{Stream: fmt.Sprintf("s-%d_%d", w, i), Events: []commitlog.NewRecord{{
								Value: value, Headers: []commitlog.Header{{Key: "type", Value: []byte("user.registered")}, {Key: "tag", Value: []byte(name)}},
							}}}},
							Conditions: []commitlog.Condition{{Types: []string{"user.registered"}, Tags: []string{name}}},
						})
						if err != nil {
							b.Error(err)
							return
						}
					}
				})
			}
			group.Wait()
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "events/s")
		})
	}
}
