// Command brokerd runs a Strand node.
//
//	brokerd dev                    # a node to try things on: temporary data, 127.0.0.1:4222
//	brokerd serve -c brokerd.yaml  # a node that keeps its data
//
// What a command answers goes to stdout, logs and errors go to stderr.
//
// # Failure
//
// The exit code is 0 after success and after a clean stop; 1 when the command could not do its work, as with a data directory that is in
// use or a port that is taken; 2 when the command line or the configuration file is wrong, so that trying again cannot help.
//
// SIGINT or SIGTERM stops a node: it finishes what it has taken, within 10 s. A second signal stops it at once, with code 130 (SIGINT) or
// 143 (SIGTERM). What was acknowledged is on disk either way, and the next start recovers it.
package main
