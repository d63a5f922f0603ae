//go:build linux || darwin || freebsd

package main

import "syscall"

// openFilesMax is how many files this process may have open.
func openFilesMax() (n uint64, ok bool) {
	var limit syscall.Rlimit
	err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit)
	return uint64(limit.Cur), err == nil //nolint:unconvert // its type differs between platforms
}
