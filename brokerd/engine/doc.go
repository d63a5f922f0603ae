// Package engine runs the embedded NATS JetStream server that stores the log.
//
//	e, err := engine.Start(ctx, engine.Config{Dir: dir})
//	defer e.Close(ctx)
//	err = e.CreateStream(ctx, engine.Stream{Name: name, Versioned: true, Metadata: owner})
//
// It is the only package that knows the server. An engine stream is the log of one shard; its messages are frames, which the
// engine does not look into.
//
// # Ordering
//
// Messages of one [Publisher] arrive in order; each is stored at exactly the sequence after the one that it expects, or refused.
// [Engine.Read] yields contiguous sequences or an error.
//
// # Durability
//
// A positive [Ack] is sent after the message is on stable storage, unless Config.UnsafeNoSync.
//
// # Concurrency
//
// An Engine is safe for use by many goroutines, a Publisher by one at a time.
// Several engines may run in one process, each with a directory of its own.
//
// # Failure
//
// Connections never reconnect: losing one is an event that its owner handles, because what was sent on it is in doubt.
// An engine whose disk is full or fails gives up its store: [Engine.Health] then is [ErrDisabled], and [Engine.Restart] is the way out.
// A block that claims sequences far ahead is a [BlockError] before the server reads it, which would not come back from that. One that is damaged just
// then makes the engine [ErrStuck], and the process has to end.
// [Inspect] reads what is on disk without an engine.
// A stream that is missing or configured in another way is refused, never repaired or created anew.
package engine
