// Package shard is the sequencer of a shard: it decides what a group of partitions holds, and in which order.
//
// A shard is the set of a topic's partitions that share an engine stream. Its sequencer checks expected versions, assigns versions and offsets,
// packs concurrent appends into one frame (group commit), publishes the frame to the engine and answers after the engine's acknowledgement.
//
//	s, err := shard.Open(ctx, shard.Config{Log: log, Dir: dir, LogID: id, Layout: shard.Layout{Shards: 1, Partitions: 8}})
//	s.Append(appends, func(results []wire.AppendResult) { … })
//	records, err := s.Fetch(ctx, wire.FetchRequest{Partition: 3, Offset: 0, MaxBytes: 1 << 20}, nil, nil)
//
// # Structure
//
// [State.Apply] is the function V: it decides from the log alone which engine messages belong to it. [Core] is the protocol around it, a pure
// state machine without I/O, clock or goroutine. [Shard] is the shell: one goroutine that feeds the core, and the store that materialises
// what is committed as segments and index.
//
// # Ordering
//
// Offsets are dense within a partition and versions within a stream. Record time never runs backwards within a shard.
//
// # Durability
//
// An append is answered after the engine has acknowledged its frame. Segments and index are caches of the log: they are written behind the
// answer and rebuilt from the log when they are missing, behind or damaged.
//
// # Concurrency
//
// A Shard may be used from many goroutines. A Core belongs to one.
//
// # Failure
//
// After any publish anomaly the sequencer admits nothing, reads the log to its end and fences itself by a barrier before it serves again.
// Damage to the log stops the shard: every request is then refused with the reason ([ErrCorrupt], [ErrDiverged]).
//
// # Testing
//
// The core is driven through a model of the engine that loses, delays, duplicates and refuses; see model_test.go.
package shard
