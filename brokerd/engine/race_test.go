//go:build race

package engine_test

// countsForSeconds is a bit of a sequence that keeps the server busy for longer than anybody waits for it, and not much longer.
const countsForSeconds = 24
