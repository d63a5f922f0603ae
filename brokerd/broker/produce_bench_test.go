package broker_test

import (
	"context"
	"fmt"
	"testing"

	"github.com/strandlog/strand/brokerd/broker"
	"github.com/strandlog/strand/commitlog"
)

// BenchmarkProduce has one goroutine send records of 256 bytes to a node on disk that syncs every frame.
func BenchmarkProduce(b *testing.B) {
	for _, compression := range []commitlog.Compression{commitlog.Uncompressed, commitlog.S2, commitlog.Zstd} {
		for _, batch := range []int{256 << 10, 512 << 10, 1 << 20} {
			b.Run(fmt.Sprintf("compression=%d/batch=%dKiB", compression, batch>>10), func(b *testing.B) {
				node, err := broker.Start(b.Context(), broker.Config{Dir: b.TempDir()})
				if err != nil {
					b.Fatal(err)
				}
				defer func() { _ = node.Close(context.WithoutCancel(b.Context())) }()
				topic, err := node.Client().CreateTopic(b.Context(), commitlog.TopicConfig{Name: "clicks", Kind: commitlog.Plain})
				if err != nil {
					b.Fatal(err)
				}
				to, err := node.Client().Producer(b.Context(), topic, commitlog.ProducerConfig{Compression: compression, BatchBytesMax: batch})
				if err != nil {
					b.Fatal(err)
				}
				value := make([]byte, 256)
				for i := range value {
					value[i] = byte('a' + i*i%23)
				}
				keys := make([][]byte, 1000)
				for i := range keys {
					keys[i] = fmt.Appendf(nil, "user-%d", i)
				}
				b.ReportAllocs()
				b.ResetTimer()
				for i := range b.N {
					if err := to.Send(b.Context(), commitlog.Message{Key: keys[i%len(keys)], Value: value}, nil); err != nil {
						b.Fatal(err)
					}
				}
				if err := to.Close(b.Context()); err != nil {
					b.Error(err)
				}
				b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "records/s")
			})
		}
	}
}
