// Package coordinator runs consumer groups: it is the shell around the state machine of package groups.
//
// A [Coordinator] runs beside one session of a sequencer of the groups topic, for as long as that serves, and answers for the groups of its partitions:
//
//	c := coordinator.Start(ctx, coordinator.Config{Log: shard, Session: session, Epoch: epoch, Partitions: mine, All: 16})
//	response := c.Group(ctx, request)
//	c.Close() // the session has ended
//
// # Ordering
//
// Each partition has a goroutine that reads its records from the start, and then takes turns. Requests to one group take effect in the order in which
// they arrive; those that arrive while a turn is being stored share the next one. Turns of different groups do not wait for each other.
//
// # Durability
//
// A change is answered when its records are stored, and takes effect by them. What is not stored for certain is not answered as if it were: when the fate
// of a turn is not known, the partition is read again.
//
// # Concurrency
//
// Any number of goroutines may call Group. It returns when the request is answered, at most after the time that its partition is given to be read.
//
// # Failure
//
// Requests to a session that ends are answered NotLeader, and those whose outcome is unknown Unknown. Both may be sent again, to whoever leads then: every
// request may. Refusals are given after a commit has proved that the session still serves, because a member that is refused stops its work. A partition
// whose records are no state of groups answers Corrupt.
//
// # Testing
//
// The log is an interface of three methods; the tests have one in memory, which loses and refuses on demand.
package coordinator
