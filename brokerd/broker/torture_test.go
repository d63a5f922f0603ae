package broker_test

import "os"

// full picks the size of a test that can run for as long as one likes: short in `go test`, long in `make torture`.
func full(short, long int) int {
	if os.Getenv("STRAND_TORTURE") != "" {
		return long
	}
	return short
}
