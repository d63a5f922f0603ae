// Package commitlog is the log as its clients see it: topics of partitions, conditional append, producers, and reading from an offset.
//
//	client, err := commitlog.Dial(ctx, "nats://127.0.0.1:4222")
//	topic, err := client.CreateTopic(ctx, commitlog.TopicConfig{Name: "events"})
//	done, err := client.Append(ctx, topic, commitlog.Append{Writes: []commitlog.Write{{
//		Stream: "account-alice", Expected: commitlog.NoStream, Events: []commitlog.NewRecord{{Value: opened}},
//	}}})
//	for r, err := range client.Records(ctx, topic, 3, commitlog.Range{From: 1207, Live: true}) { … }
//	for r, err := range client.Stream(ctx, topic, commitlog.StreamQuery{Stream: "account-alice"}) { … }
//
//	clicks, err := client.CreateTopic(ctx, commitlog.TopicConfig{Name: "clicks", Kind: commitlog.Plain, RetentionAge: 7 * 24 * time.Hour})
//	producer, err := client.Producer(ctx, clicks, commitlog.ProducerConfig{Compression: commitlog.Zstd})
//	err = producer.Send(ctx, commitlog.Message{Key: user, Value: click}, func(d commitlog.Delivery, err error) { … })
//	err = producer.Close(ctx)
//	price, ok, err := client.Get(ctx, prices, key)
//
// A topic has partitions, a partition has records, and a record has an offset. The records of a versioned topic are events: each belongs to a stream,
// which lies in one partition, and has a version in it, which counts from 1. An append names the version that its streams must have, or conditions on
// the log as a whole, or both: see [Condition]. The records of plain and table topics are what producers send: those of a plain topic are deleted by age,
// by size or by DeleteBefore, and of a table the latest of each key stays.
//
// # Ordering
//
// Records yields a partition in the order of its offsets and Stream a stream in the order of its versions; both are dense, and a gap is an error.
// Nothing is promised across partitions. Appends that one goroutine makes one after the other take effect in that order; concurrent ones in any.
// No event that the conditions of an append rule out comes before the append.
// What one goroutine sends to one partition through one Producer is stored in that order, also when it has to be sent again; a record that could not be
// delivered is left out. All records of a key are in one partition.
//
// # Durability
//
// Append returns without an error once the events are on stable storage at the offsets and versions that it names. A conflict, a condition that
// failed, and every other error except ErrIndefinite mean that nothing of the append is stored, then or later. ErrIndefinite means that the truth could
// not be had within Config.AppendTimeout, or before ctx ended: the error carries the ids of the events, by which they can be found. The client repeats an append as often as
// it must, always under the ids and the sequence that it was given first, so that it is stored at most once. It never repeats one under new ids, and nor
// should its caller.
//
// A record that a Producer reports as delivered is on stable storage at its offset, unless it was told AcksNone. Each is stored once at most: a batch keeps
// its bytes, its producer and its number however often it is sent, and the broker knows it again. A record that fails with any other error than
// ErrIndefinite is not stored and never will be.
//
// A read through a client sees at least what the same client appended, and what it read before, whatever node answers.
//
// # Concurrency
//
// A Client is safe for concurrent use. Appends of many goroutines to the same shard share requests: the more callers, the fewer requests for each. One
// request for each shard is in flight at a time. An append that finds the queue of its shard full waits up to Config.QueueWaitMax, then it is refused with
// ErrOverloaded.
//
// A Producer is safe for concurrent use, too. A record goes straight into the batch that its partition is filling; up to five requests to a shard are under
// way at once, in order. ProducerConfig.BufferBytesMax bounds what is not delivered yet. A Send that finds no room waits up to BufferWaitMax, then
// it is refused with ErrBufferExhausted.
//
// A sequence of Records fetches ahead, on a goroutine of its own that ends with the loop. Keys, values and headers are views into what was fetched: they
// may be kept, which keeps the whole answer in memory, and must not be changed.
//
// [Join] makes the process a member of a consumer group: it calls a function for each partition that the member is given, and ends its context when the
// partition is to move to another member. Each record is processed at least once, those of a partition in order; committed offsets are those of a
// partition's owner alone. [Client.Share] is the same without reading. An [Updater] writes keys of a table on the condition that nobody else has.
//
// # Failure
//
// Sessions that move, brokers that restart and connections that break are followed without the caller's help: appends within Config.AppendTimeout,
// records of a Producer within ProducerConfig.DeliveryTimeout, reads within Config.ReadTimeout without any answer, live reads for ever. Errors have an
// identity for errors.Is, such as ErrConflict, and a struct with details for errors.As. One error ends a sequence.
//
// The client trusts no answer: records are checked against their checksums and must continue where the last one ended. Compressed batches are inflated
// one at a time, up to 16 MiB each. ErrCorrupt says where the records are not what they must be.
// There and on ErrLogDiverged stop and call for help: going on elsewhere would skip events.
//
// # Testing
//
// Tests of code that appends and reads use eventstore.NewMemory, or broker.Start of brokerd/broker, which runs a broker within the process.
package commitlog
