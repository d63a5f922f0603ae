//go:build !linux && !darwin && !freebsd

package main

// openFilesMax is how many files this process may have open.
func openFilesMax() (n uint64, ok bool) { return 0, false }
