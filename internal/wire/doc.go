// Package wire is Strand's native protocol: what clients and brokerd say to each other over a NATS connection.
//
// Its client half is package commitlog, its server half brokerd/native. A message is one NATS payload; its subject says what it is. Appends, fetches and
// stream reads go to the subject of one session of a shard's sequencer (ShardSubject); questions about topics go to any node.
//
//	payload := request.AppendTo(nil)     // the payload of a NATS request
//	err := response.Decode(reply.Data)   // the payload of its reply
//
// A binary message begins with a version byte and has exactly one encoding: varints for numbers, a length before bytes. Catalogue messages are JSON.
//
// # Concurrency
//
// A message belongs to one goroutine while it is decoded into. Byte slices of a decoded message are views into the payload. Decoding uses the slices
// that a message already has, so one message that is used again and again soon decodes without allocating.
//
// # Failure
//
// Decode refuses with a *DecodeError whatever is not exactly one message within the limits of limits.go, before memory is taken for it: decoding takes
// at most a small multiple of the payload's size. It does not judge what a message means: whether a stream belongs to its partition, or whether raw headers
// and batches are well formed, is for who uses them to check.
package wire
