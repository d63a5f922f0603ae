// Command brokerd runs a Strand node, and is the operator's tool for one that runs.
//
//	brokerd dev                    # a node to try things on: temporary data, 127.0.0.1:4222
//	brokerd serve -c brokerd.yaml  # a node that keeps its data
//	brokerd topics list            # what the node at --server, or STRAND_SERVER, holds
//	brokerd events tail --follow   # events as they are appended
//	brokerd groups list            # consumer groups, and how many records they have yet to read
//	brokerd projections list       # read models in the PostgreSQL at --database, or BROKERD_DATABASE
//	brokerd migrate up             # makes the schema that they need
//	brokerd doctor                 # what is wrong, and what to do about it
//
// What a command answers goes to stdout; progress, logs and errors go to stderr. With -o json an answer is one object a line.
//
// # Failure
//
// The exit code is 0 after success and after a clean stop; 1 when the command could not do its work, as with a data directory that is in
// use or a port that is taken; 2 when the command line or the configuration file is wrong, so that trying again cannot help. 3 means that
// damage was found, 4 that the node's disk fails, 5 that no node or database answers, 6 that what is named does not exist, 7 that what is there does
// not permit it, 8 that doctor found something, 9 that migrations are pending.
//
// SIGINT or SIGTERM stops a node: it finishes what it has taken, within 10 s. A second signal stops it at once, with code 130 (SIGINT) or
// 143 (SIGTERM). What was acknowledged is on disk either way, and the next start recovers it. The same signals end what a command reads:
// tails, and the input of a producer, whose records are still delivered.
package main
