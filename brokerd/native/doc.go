// Package native is the server half of the native protocol (internal/wire): it takes requests from NATS subjects to shards and catalogue.
//
//	s := native.NewServer(native.Config{Connect: connect, Replies: a, Reads: b})
//	err := s.Serve(ctx)
//	err = s.Open(native.Session{Topic: id, Shard: 0, ID: session, Target: shard}) // from now on the shard's session is reachable
//	s.CloseSession(session)
//
// # Ordering
//
// Appends of one connection reach the sequencer in the order in which they were sent. Reads overtake each other.
//
// # Concurrency
//
// A Server may be used from many goroutines. Reads run in goroutines of their own, at most Config.ReadsMax at once; a read beyond that is
// refused as overloaded. A client has few fetches at work at once, and answers wait while clients have more than Config.UnreadBytesMax to read.
//
// # Failure
//
// A request that cannot be decoded is answered Invalid with the reason. Requests to a session that is not open have no responder, which tells
// the client that nothing happened. Requests to a session that come faster than they can be taken are dropped, as by a connection that breaks: clients
// send them again.
package native
