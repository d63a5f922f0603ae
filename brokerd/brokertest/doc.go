// Package brokertest runs brokers for tests, alone or as clusters, whose nodes can be killed, restarted and cut off from each other.
//
//	c := brokertest.Cluster(t, 3)
//	topic, err := c.Client(0).CreateTopic(ctx, commitlog.TopicConfig{Name: "events"})
//	c.Isolate(1)
//	c.Heal()
//
// The nodes reach each other through proxies on the loopback interface, one for each direction of each pair: that is where they are cut off.
// They run in the test's process, or as processes of their own: then Kill is kill -9.
//
// # Concurrency
//
// The methods of a cluster are called from the test's goroutine.
//
// # Failure
//
// What does not work ends the test.
package brokertest
