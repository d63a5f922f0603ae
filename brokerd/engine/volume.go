package engine

// Volume is the size of a file system in bytes.
type Volume struct {
	Total int64
	Free  int64 // what an unprivileged process may still write
}
