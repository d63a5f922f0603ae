package process

import (
	"context"
	"net"
)

// Addresses returns some of the loopback interface that were free a moment ago: the nodes of a cluster must know each other's before they start.
func Addresses(ctx context.Context, n int) ([]string, error) {
	var all []string
	for range n {
		l, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
		if err != nil {
			return nil, err
		}
		defer func() { _ = l.Close() }() // all at the end, so that they differ
		all = append(all, l.Addr().String())
	}
	return all, nil
}
