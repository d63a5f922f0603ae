package shard

import (
	"errors"
	"fmt"
	"syscall"

	"github.com/strandlog/strand/brokerd/index"
	"github.com/strandlog/strand/brokerd/segment"
)

// ErrCache stops a shard whose segments or index cannot be read or written. The log is not in doubt: close the shard and open it again, and it makes
// of its caches what it can use, and fetches the rest from the log.
var ErrCache = errors.New("segments or index cannot be used")

// CacheError says what is the matter with a shard's caches. It is an ErrCache.
type CacheError struct {
	Damaged bool // they are dropped and rebuilt by the next Open; else they are whole as far as they go
	Cause   error
}

func (e *CacheError) Error() string {
	if errors.Is(e.Cause, ErrBehind) {
		return e.Cause.Error()
	}
	if e.Damaged {
		return fmt.Sprintf("segments or index are damaged and are rebuilt from the log: %v", e.Cause)
	}
	return fmt.Sprintf("segments or index cannot be written: %v", e.Cause)
}

// Is makes errors.Is(err, ErrCache) true.
func (e *CacheError) Is(target error) bool { return target == ErrCache }

func (e *CacheError) Unwrap() error { return e.Cause }

// damaged says whether an error means that segments or index do not hold what was written to them. A disk that cannot read them counts.
func damaged(err error) bool {
	return errors.Is(err, index.ErrDamaged) || errors.Is(err, segment.ErrCorrupt) || errors.Is(err, ErrCorrupt) || errors.Is(err, syscall.EIO)
}
