// Package broker assembles a node: engine, catalogue, shards and the protocol in front of them. It is the only wiring.
//
//	b, err := broker.Start(ctx, broker.Config{}) // temporary directory, no listener, sync on
//	defer b.Close(ctx)
//	client := b.Client()
//
// The same node runs in `brokerd serve` and embedded in a program. Several may run in one process.
//
// # Durability
//
// An acknowledged append is on stable storage, unless Config.UnsafeNoSync.
//
// # Failure
//
// A directory is used by one node at a time ([ErrLocked]). A shard whose log is damaged answers with the reason while the others serve on; one whose
// caches are damaged is opened again. On a full disk appends are refused until there is room. A node whose disk fails for good says so
// ([Broker.GaveUp]).
//
// # Backup
//
// [Backup] copies what a running node holds, [Restore] makes a directory of it, [VerifyDir] and [VerifyLive] check either.
//
// # Testing
//
// Start needs nothing installed and no port: tests of programs that use Strand run the real broker.
package broker
