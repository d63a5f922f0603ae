// Package projectionstest is the law for sinks: [Run] checks that an implementation of [projections.Sink] commits effect and
// checkpoint together, fences owners of the past, and tells who waits.
//
//	func TestSink(t *testing.T) {
//		projectionstest.Run(t, func(t *testing.T) projectionstest.Harness[pgx.Tx] { … })
//	}
//
// The effect that the suite writes is a counter, because it shows when it is written twice.
package projectionstest
