// Package postgres keeps read models in PostgreSQL. The effects of events and the checkpoint of their partition are one transaction: each event has its
// effect exactly once, whatever crashes.
//
// A [Table] holds the rows of folds, which the same projection would also make in memory:
//
//	balances := postgres.NewTable[Balance](pool)
//	err := projections.Run(ctx, store, Balances, balances)
//	row, ok, err := balances.Get(ctx, Balances, "alice") // or: SELECT amount FROM balances.rows WHERE key = 'alice'
//
// A [Sink] gives handlers the very transaction that moves the checkpoint, for SQL of their own:
//
//	var Report = projections.Define("report", projections.On(onBooked)).Setup(createTables)
//	func onBooked(ctx context.Context, tx pgx.Tx, e eventstore.Recorded[account.Booked]) error { … }
//
//	err := projections.Run(ctx, store, Report, postgres.NewSink(pool))
//
// The database needs the schema "strand": see package migrations. Without it everything ends with migrations.ErrPending, which names the command to run.
//
// # Schemas
//
// Each version of a projection has a schema of its own, NAME_vVERSION, which is made with it and which the search path of its transactions begins with: Setup
// and handlers name their tables without a schema. Readers use the views in the schema NAME, which show the tables of one version: the first one at
// first, and another one when [Admin.Switch] is called, all in one transaction. Build on the views, not on the tables: what was granted on them, and what is built on
// them, outlives rebuilds, in which they show no rows until there are some, and switches to versions with the same columns; but for columns
// of types that Setup makes, which go with the schema of their version.
//
// # Ordering and concurrency
//
// Commits of one partition follow each other; those of different partitions run at the same time, on a connection of the pool each. A row of a Table that
// several partitions write is never half of one and half of the other: who comes second does its commit again. Handlers with SQL of their own lock
// what they change, as in any transaction.
//
// # Durability
//
// Commits do not wait for the disk (synchronous_commit is off in them): a crash of PostgreSQL may take back the newest ones, effect and checkpoint
// together, and they are done again from the log. Readers may see that. [Durable] has commits wait.
//
// # Failure
//
// Connections that break, servers that restart, deadlocks, locks that are held for too long and full disks are errors of the moment: the worker waits
// and tries again, for as long as it takes (projections.ErrTransient). When it is not known whether a commit took place, the checkpoint tells. Everything
// else ends the worker with the reason: the checkpoint stands before the first event whose effect is not there.
//
// A table that is changed under a worker so that it cannot write to it, or is dropped, is no event's fault: the worker ends whatever its policy, and nothing
// is parked. A Table is made with the version, and never again behind its checkpoints: projections.Rebuild makes a new one from the log.
//
// An error that a handler returns is of the moment if PostgreSQL said it, or the connection of the transaction is gone. Whatever else it is, such as another server
// that does not answer, is for the policy; a handler that wants to be called again, for as long as it takes, returns a projections.TransientError.
//
// A worker that stops in the middle of a transaction, and whose partition has moved, keeps its successor waiting for as long as PostgreSQL takes to end its
// transaction: idle_in_transaction_session_timeout is ten seconds in it, and a successor ends it after two. So it is with claims; what Setup does may be idle for
// a minute. All transactions have an application_name that begins with "strand" and names the projection.
//
// # Testing
//
// Package projectionstest is the law that both are held to. Tests of projections use projections.NewMemory.
package postgres
