package commitlog

import (
	"context"
	"errors"
	"sync"
)

// lifetime ends, with Close, every context in which the client still waits for something.
type lifetime struct {
	mu     sync.Mutex
	closed bool
	ends   map[*context.CancelCauseFunc]struct{}
}

// bind returns a context that also ends with the lifetime, which ended tells apart. The caller must call release.
func (l *lifetime) bind(ctx context.Context) (_ context.Context, release func()) {
	ctx, end := context.WithCancelCause(ctx)
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		end(ErrClosed)
		return ctx, func() {}
	}
	if l.ends == nil {
		l.ends = make(map[*context.CancelCauseFunc]struct{})
	}
	l.ends[&end] = struct{}{}
	return ctx, func() {
		end(nil)
		l.mu.Lock()
		defer l.mu.Unlock()
		delete(l.ends, &end)
	}
}

// end reports whether this call ended the lifetime.
func (l *lifetime) end() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return false
	}
	l.closed = true
	for end := range l.ends {
		(*end)(ErrClosed)
	}
	return true
}

// ended says why a bound context ended: ErrClosed, or its parent's error. It is nil while the context goes on.
func ended(ctx context.Context) error {
	if errors.Is(context.Cause(ctx), ErrClosed) {
		return ErrClosed
	}
	return ctx.Err()
}
