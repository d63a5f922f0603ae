package engine

// Volume is the size of a file system in bytes.
type Volume struct {
	Total int64
	Free  int64 // what an unprivileged process may still write
}

// FreeBytesMin is what must stay free on the volume, unless it is configured.
func (v Volume) FreeBytesMin() int64 {
	return min(freeBytesMinDefault, v.Total/100*freePercentDefault)
}
