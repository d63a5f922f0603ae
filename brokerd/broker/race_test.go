//go:build race

package broker_test

// raced says that the race detector watches, which takes several times the memory.
const raced = true
