// Package wire is Strand's native protocol: what clients and brokerd say to each other over a NATS connection.
//
// Its client half is package commitlog, its server half brokerd/native. A message is one NATS payload; its subject says what it is.
package wire
