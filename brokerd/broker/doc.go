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
// A directory is used by one node at a time ([ErrLocked]). A shard whose log is damaged answers with the reason while the others serve on.
//
// # Testing
//
// Start needs nothing installed and no port: tests of programs that use Strand run the real broker.
package broker
