// Package partitioner says which partition a stream belongs to.
//
//	p := partitioner.Partition("account-alice", topic.Partitions)
//
// It is Kafka's default partitioner, murmur2 of the record key, with one addition: when a name holds a group in braces, as in
// `order-{c42}-7`, the group alone decides, so that related streams share a partition. Clients and brokers must agree on it for ever:
// where a stream lies can never change.
package partitioner
