package commitlog

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"

	"github.com/strandlog/strand/internal/wire"
)

// TestGroupIsChangedOnce loses answers to what changes a group: it is sent again when nothing can have come of it, and only then.
func TestGroupIsChangedOnce(t *testing.T) {
	changes := map[string]func(context.Context, *Client) error{
		"reset":  func(ctx context.Context, c *Client) error { return c.ResetOffsets(ctx, "g", nil, true) },
		"delete": func(ctx context.Context, c *Client) error { return c.DeleteGroup(ctx, "g") },
	}
	firsts := []struct {
		name  string
		code  wire.Code
		err   error
		again bool
	}{
		{name: "nobody serves it", err: errNobody, again: true},
		{name: "not stored", code: wire.Retry, again: true},
		{name: "no room", code: wire.NoStorage, again: true},
		{name: "lost", err: errLost},
		{name: "cut off", err: errDisconnect},
		{name: "unknown", code: wire.Unknown},
	}
	for change, do := range changes {
		for _, first := range firsts {
			t.Run(change+", "+first.name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					b := newPlainBroker(1)
					b.topic.Name = wire.GroupsTopic
					asked := 0
					b.group = func(wire.GroupRequest) (wire.GroupResponse, error) {
						if asked++; asked == 1 {
							return wire.GroupResponse{Code: first.code, Epoch: testEpoch}, first.err
						}
						return wire.GroupResponse{Epoch: testEpoch}, nil
					}
					c, _ := b.connect(t, Config{})
					err := do(t.Context(), c)
					if first.again && (err != nil || asked != 2) || !first.again && (!errors.Is(err, ErrIndefinite) || asked != 1) {
						t.Errorf("asked %d times: %v", asked, err)
					}
				})
			})
		}
	}
}
