package commitlog

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// ask sends one request and waits up to timeout for its answer.
func (c *Client) ask(ctx context.Context, subject string, payload []byte, timeout time.Duration) ([]byte, error) {
	limited, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	reply, err := c.conn.request(limited, subject, payload)
	if ctx.Err() == nil && errors.Is(err, context.DeadlineExceeded) {
		return nil, fmt.Errorf("no answer within %v", timeout)
	}
	return reply, err
}

// patiently repeats try until it succeeds, fails with a fatal error, ctx ends, or patience has passed (0: never), which is ErrUnavailable.
// It is for what may be repeated without harm.
func (c *Client) patiently(ctx context.Context, patience time.Duration, doing string, try func(context.Context) error) error {
	limited := ctx
	if patience > 0 {
		var cancel context.CancelFunc
		limited, cancel = context.WithTimeout(ctx, patience)
		defer cancel()
	}
	var pause backoff
	last := errNoAnswer
	for {
		err := try(limited)
		switch {
		case err == nil, fatal(err):
			return err
		case ctx.Err() != nil:
			return ended(ctx)
		case limited.Err() != nil:
			return c.unavailable(doing, last)
		}
		last = err
		wait(limited, pause.next())
	}
}

var errNoAnswer = errors.New("no answer in time")
