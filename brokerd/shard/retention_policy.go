package shard

import (
	"sync/atomic"

	"github.com/strandlog/strand/internal/wire"
)

// RetentionPolicy is what a shard of a plain topic keeps as of now. Its owner may change it while the shard runs, which reads it whenever it looks for
// records that need not be kept. The bytes are those of the whole shard. The zero value keeps everything.
type RetentionPolicy struct {
	keep atomic.Pointer[wire.Retention]
}

// NewRetentionPolicy makes one.
func NewRetentionPolicy(keep wire.Retention) *RetentionPolicy {
	p := &RetentionPolicy{}
	p.Set(keep)
	return p
}

// Set changes what is kept. What is gone does not come back.
func (p *RetentionPolicy) Set(keep wire.Retention) { p.keep.Store(&keep) }

func (p *RetentionPolicy) get() wire.Retention {
	if p != nil {
		if keep := p.keep.Load(); keep != nil {
			return *keep
		}
	}
	return wire.Retention{}
}

// CheckRetention looks at once whether there are records that need not be kept.
func (s *Shard) CheckRetention() {
	if s.retention != nil {
		s.retention.nudge()
	}
}
