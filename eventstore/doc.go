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
// # Decisions across streams
//
// A decision may be about events of many streams, or about the absence of any: a name that nobody has, the places of a course. Such events carry tags,
// from [Metadata] or by a method of their own ([Tagged]). [Store.Query] reads the events of some types with some tags, and moves a cursor to where it has
// looked; [Store.AppendAll] stores what was decided, in one stream or several, [Unless] the same query has more events behind that cursor by then. Then it
// fails with ErrConditionFailed, and the decision is made again on what is new. A success proves that the decision was made on all there was.
//
// A query looks at all partitions of a topic, and an append and its conditions belong to one shard. In a topic of several shards a query names the {group}
// that its streams share (Query.Group).
//
// # Ordering
//
// Events of one stream, and of one partition, come in the order in which they were appended, everywhere. Nothing is promised across partitions.
//
// # Durability
//
// What Append has answered is stored as the log promises: on stable storage at a broker. An append is stored as a whole or not at all.
// ErrConflict and ErrConditionFailed mean not stored. ErrIndefinite means that nobody could tell within the budget; the same append may be tried again with the
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
