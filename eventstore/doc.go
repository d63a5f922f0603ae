// Package eventstore keeps streams of events on a topic: conditional append, reading one stream, replaying them all.
//
//	store, err := eventstore.Open(ctx, client, eventstore.Config{}, eventstore.Category{
//		Name: "account", Events: map[string]any{"deposited": Deposited{}, "withdrawn": Withdrawn{}},
//	})
//	done, err := store.Append(ctx, "account-alice", eventstore.NoStream, Deposited{Amount: 100})
//	for e, err := range store.Stream(ctx, "account-alice") { … }
//	for e, err := range store.All(ctx, eventstore.After(cursor)) { … }
//
// A stream is named category-key. Versions count from 1 without a gap. The key decides the partition; {braces} in it decide alone, so that
// order-{c42}-7 and invoice-{c42}-9 lie together.
//
// # Ordering
//
// Events of one stream, and of one partition, come in the order in which they were appended, everywhere. Nothing is promised across partitions.
//
// # Durability
//
// What Append has answered is stored as the log promises: on stable storage at a broker. An append is stored as a whole or not at all.
// ErrConflict means not stored. ErrIndefinite means that nobody could tell within the budget; the same append may be tried again with the
// ids that the error names (Write.IDs) and is stored once, if it names the version that it follows.
//
// # Concurrency
//
// A Store is safe for concurrent use. Iterators belong to one goroutine; break releases all that they hold.
//
// # Failure
//
// One error ends a sequence. An event whose type is in no schema ends it too, unless the store skips those by choice; streams of a category
// that the store was not given are left alone, which is how services share a topic.
//
// # Testing
//
// NewMemory is a log in RAM that answers as a broker does. Package eventstoretest is the law for both.
package eventstore
