// Package topics is the catalogue: which topics exist, under which ids, and how far their creation or deletion has come.
//
// The catalogue is itself a versioned topic with one stream for each topic name. A change is an event, appended with the version that it
// was decided on: of two nodes that create the same name, one wins.
//
//	c, err := topics.Open(ctx, log, shards)
//	t, err := c.Create(ctx, wire.TopicSpec{Name: "events", Partitions: 8})
//
// # States
//
// A topic is creating, then ready, then deleting, then gone. While it is ready it can be altered: its retention, and nothing else. The id is drawn when it is created and is part of every name that is derived
// from the topic: what belonged to a deleted topic can reach nothing of a later one of the same name.
//
// # Failure
//
// A creation or deletion that was cut off is resumed by Open. Refusals are typed: [ErrExists], [ErrUnknown], [InvalidError].
//
// # Concurrency
//
// A Catalogue may be used from many goroutines. Changes are made one at a time.
package topics
