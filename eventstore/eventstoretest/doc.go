// Package eventstoretest is the law for logs: [Run] checks that an implementation of [eventstore.Log] keeps what streams of events rely on:
// conditional appends that are stored as a whole or not at all, gap-free versions, order within a partition, reads that miss nothing,
// and errors that say which of these stood in the way.
//
//	func TestLog(t *testing.T) {
//		eventstoretest.Run(t, func(t *testing.T) eventstore.Log { return eventstore.NewMemory() })
//	}
//
// Each law works on topics of its own, so one log may serve them all.
package eventstoretest
