package broker

import (
	"iter"

	"github.com/strandlog/strand/brokerd/native"
	"github.com/strandlog/strand/brokerd/shard"
	"github.com/strandlog/strand/internal/recordbatch"
	"github.com/strandlog/strand/internal/wire"
)

// Observer is told of the requests that a node stores. It is called on their path and must not block.
//
// Package brokerd/metrics has one that makes metrics and traces. Without one, nothing is measured and nothing allocated.
type Observer interface {
	// AppendStart is called when a request has arrived, and gives a function that is called once, when it is answered.
	AppendStart(a AppendInfo) func(AppendResult)
}

// AppendInfo is a request: appends that travelled together, or batches of a producer.
type AppendInfo struct {
	Topic   string
	Shard   int
	Appends int
	Bytes   int // as sent

	// Traces yields the headers traceparent and tracestate of the first event of each append that has any, until AppendStart returns.
	Traces iter.Seq2[string, string]
}

// AppendResult is what became of the appends of a request.
type AppendResult struct{ Stored, Conflicts, Refused int }

// target is a shard under the eyes of the observer, if there is one.
func (s *shards) target(sh *shard.Shard, topic string, number int) native.Shard {
	if s.Observer == nil {
		return sh
	}
	return &observedShard{Shard: sh, observer: s.Observer, topic: topic, number: number}
}

type observedShard struct {
	*shard.Shard
	observer Observer
	topic    string
	number   int
}

// Append tells of appends.
func (o *observedShard) Append(session, producer uint64, epoch uint32, appends []wire.Append, bytes int, done func([]wire.AppendResult)) {
	answered := o.observer.AppendStart(AppendInfo{Topic: o.topic, Shard: o.number, Appends: len(appends), Bytes: bytes, Traces: tracesOf(appends)})
	o.Shard.Append(session, producer, epoch, appends, bytes, func(results []wire.AppendResult) {
		var r AppendResult
		for i := range results {
			r.count(results[i].Code)
		}
		answered(r)
		done(results)
	})
}

// Produce tells of batches.
func (o *observedShard) Produce(session, producer uint64, batches []wire.ProduceBatch, bytes int, done func([]wire.ProduceResult)) {
	answered := o.observer.AppendStart(AppendInfo{Topic: o.topic, Shard: o.number, Appends: len(batches), Bytes: bytes, Traces: tracesOf(nil)})
	o.Shard.Produce(session, producer, batches, bytes, func(results []wire.ProduceResult) {
		var r AppendResult
		for i := range results {
			r.count(results[i].Code)
		}
		answered(r)
		done(results)
	})
}

func (r *AppendResult) count(code wire.Code) {
	switch code {
	case wire.OK:
		r.Stored++
	case wire.Conflict, wire.ConditionFailed:
		r.Conflicts++
	default:
		r.Refused++
	}
}

func tracesOf(appends []wire.Append) iter.Seq2[string, string] {
	return func(yield func(string, string) bool) {
		for i := range appends {
			if len(appends[i].Writes) == 0 || len(appends[i].Writes[0].Events) == 0 {
				continue
			}
			e := &appends[i].Writes[0].Events[0]
			headers, err := recordbatch.ParseHeaders(e.Headers, e.HeaderCount)
			if err != nil {
				continue // the sequencer refuses it
			}
			if parent, ok := headers.Get(wire.HeaderTraceparent); ok {
				state, _ := headers.Get(wire.HeaderTracestate)
				if !yield(string(parent), string(state)) {
					return
				}
			}
		}
	}
}
