package engine_test

import (
	"slices"
	"testing"
	"time"

	"github.com/strandlog/strand/brokerd/engine"
)

const frameBytes = 25_000 // about 100 events of 256 bytes

// BenchmarkPublish is the time of one frame from publish to ack, one at a time: the floor of every append.
func BenchmarkPublish(b *testing.B) {
	for _, mode := range []struct {
		name   string
		unsafe bool
	}{{"sync", false}, {"unsafe", true}} {
		b.Run(mode.name, func(b *testing.B) {
			e := start(b, engine.Config{UnsafeNoSync: mode.unsafe})
			create(b, e, stream("a"))
			s := newSession(b, e, "a")
			frame := make([]byte, frameBytes)
			took := make([]time.Duration, 0, 1<<16)
			b.SetBytes(frameBytes)
			b.ReportAllocs()
			seq := uint64(0)
			for b.Loop() {
				began := time.Now()
				s.send(seq, frame)
				if a := s.ack(); a.Err != nil {
					b.Fatal(a.Err)
				}
				seq++
				took = append(took, time.Since(began))
			}
			slices.Sort(took)
			b.ReportMetric(float64(took[len(took)/2].Microseconds()), "p50-µs")
			b.ReportMetric(float64(took[len(took)*99/100].Microseconds()), "p99-µs")
		})
	}
}

// BenchmarkRead is a rebuild's source: all frames, in order.
func BenchmarkRead(b *testing.B) {
	const frames = 2000
	e := start(b, engine.Config{UnsafeNoSync: true})
	create(b, e, stream("a"))
	newSession(b, e, "a").fill(1, frames, make([]byte, frameBytes))
	b.SetBytes(frames * frameBytes)
	b.ReportAllocs()
	for b.Loop() {
		for _, err := range e.Read(b.Context(), "a", 1, frames) {
			if err != nil {
				b.Fatal(err)
			}
		}
	}
}

func BenchmarkReadOne(b *testing.B) {
	e := start(b, engine.Config{UnsafeNoSync: true})
	create(b, e, stream("a"))
	newSession(b, e, "a").fill(1, 100, make([]byte, frameBytes))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := e.ReadOne(b.Context(), "a", 50); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkParseAck(b *testing.B) {
	ack := []byte(`{"stream":"0190a8f0-0000-7000-8000-000000000000-0","seq":1234567}`)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := engine.ParseAck(ack); err != nil {
			b.Fatal(err)
		}
	}
}
