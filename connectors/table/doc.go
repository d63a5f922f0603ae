// Package table keeps read models in table topics: what a projection makes is in the log itself, and needs no database.
//
//	balances := table.New[Balance](client)
//	err := projections.Run(ctx, store, Balances, balances)
//	row, ok, err := balances.Get(ctx, Balances, "alice")
//	for key, row := range rows { … }                       // rows, err := balances.All(ctx, Balances)
//
// Each version of a projection has a table topic of its own, NAME.vVERSION.rows, with one partition, which is made when a worker begins. Rows are JSON. The
// changed rows of a commit and the checkpoint are one append, which is stored as a whole or not at all.
//
// # Ordering and concurrency
//
// Commits of one partition follow each other. Those of several partitions, in however many processes, take turns at the one partition of the topic; a row
// that several of them change is never half of one and half of the other: who comes second does its commit again.
//
// # Durability
//
// A commit is acknowledged when it is on stable storage, like every append.
//
// # Failure
//
// A commit names the records that it has read, the checkpoint before all: an owner of the past does not know the newest checkpoint, and is refused. It names,
// and leaves as it is, what says whether the projection is paused: one update of that takes effect whatever is committed meanwhile. Brokers
// that are away, full or overloaded are errors of the moment (projections.ErrTransient). When it is not known whether a commit took place, the checkpoint tells.
//
// # Operation
//
// [Admin] shows how far projections are, pauses them, sets their checkpoints, and retries or drops what is parked, as brokerd projections does.
//
// # Limits
//
// A row has at most 1 MiB, its key 200 bytes, and a commit 4 MiB: one with more is done in parts. A lane holds up to 64 Ki rows in memory, and some
// 32 MiB of them, that it has read or written. Some ten million events of a partition can be parked.
//
// # Testing
//
// Package projectionstest is the law that it is held to.
package table
