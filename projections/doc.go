// Package projections is the read side: it turns the events of a topic into a read model, and commits the read model together
// with the place up to which it was made.
//
//	var Balances = projections.Define("balances", projections.Fold(deposited), projections.Fold(withdrawn))
//
//	func deposited(b *Balance, e eventstore.Recorded[account.Deposited]) { b.Amount += e.Data.Amount }
//
//	sink := projections.NewMemory[Balance]()
//	err := projections.Run(ctx, store, Balances, sink)             // until ctx ends
//	err = projections.Await(ctx, Balances, sink, alice.Position)   // read your own write
//	balance, ok := sink.Get("alice")
//
// A projection is a name, a version and handlers. [Fold] and [FoldBy] change a row; [On] and [OnBatch] write through the sink's
// transaction as they like. The sink decides where the read model lives: the same folds run on [Memory] and on any other sink
// of rows. A projection should write its read model and nothing else, since handlers may see an event again after a commit that failed,
// and see all of them again in a [Rebuild], or under a new version. A handler that does something outside all the same asks [Replayed] first.
//
// # Ordering
//
// Within a partition, and so within a stream, handlers see events in the order of the log. Partitions are worked on at the same time
// and nothing is promised between them: a row that events of several streams change must not depend on their order.
//
// # Durability
//
// Many events share a commit. Their effects and the checkpoint are committed together or not at all, so every event has its effect exactly
// once, however often workers crash. An event that no handler wants moves the checkpoint as well.
//
// # Concurrency
//
// Those that run one projection version into one sink, in however many processes, share the partitions: they are members of a consumer group. Each has
// one goroutine per partition that runs handlers, and one that reads ahead. When one dies the others go on with its partitions, six seconds later; when
// one stops or comes, at once. One worker at a time owns a partition: a later one fences the earlier one, whatever that still does. A sink that is
// [Private], and a log in memory, have one worker that takes all partitions: a later one takes over, and the earlier one ends with [ErrFenced].
// [Await], [Lag] and the methods of [Memory] may be called from anywhere.
//
// # Failure
//
// A handler that returns an error or panics stops the worker with a [HandlerError]. Everything before that event is committed, nothing of it
// and nothing behind it in its partition is; the next run begins with it. An event that cannot be decoded, or whose type is in no schema,
// stops the worker in the same way with the event store's error, unless the store skips unknown types. [OnError] has such events set aside instead: parked, with
// the later ones of their streams, which wait in order until an operator has them tried again, or skipped. Errors of the moment ([ErrTransient]) are waited
// for, as long as it takes. A checkpoint that does not belong to the log is [ErrLogDiverged]: the worker reads the last projected event again to see that it
// is still the same.
//
// When ctx ends, [Run] finishes the commit under way and returns nil. Handlers that do not return within [StopTimeout] have their context
// cancelled; Run waits for them, because a handler that is still running must not outlive its worker.
//
// # Testing
//
// Projections run on eventstore.NewMemory and [NewMemory] without a broker: append events, call [CatchUp], look at the rows. Package projectionstest
// is the law for sinks.
package projections
