// Package admin is a node's HTTP listener for those who operate it: whether it lives and is ready, what it measures, and profiles.
//
//	s, err := admin.Start(ctx, admin.Config{Listen: "127.0.0.1:8080", Problems: node.Problems, Metrics: metrics})
//	defer s.Close(ctx)
//
// GET /livez says 200 as long as the process answers, whatever else is the matter: restarting it would help against nothing else.
//
// GET /readyz says 200 while the node stores and serves all that it has, else 503 with the reasons, one in a line. It is JSON for who accepts
// only that, or asks /readyz?format=json.
//
// GET /metrics is the exposition format of Prometheus. GET /debug/pprof/ is there if [Config] says so: profiles show what the process holds.
//
// # Concurrency
//
// At most 64 connections are open at once, and further ones wait. Every request has its time.
//
// # Failure
//
// Nobody is authenticated: an address beyond this machine has to be allowed ([ErrRemote]).
package admin
