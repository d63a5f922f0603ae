package engine

import (
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"strconv"

	"github.com/nats-io/nats-server/v2/server"
)

// payloadBytesMax bounds one message of the log and one client payload.
const payloadBytesMax = 8 << 20

// Config says where an engine stores and listens. Only Dir is required.
type Config struct {
	// Dir holds the log. It is created with mode 0700. One process at a time may use it: the caller holds the lock.
	Dir string

	// Listen is the host:port for clients; port 0 takes any free one. Empty means that no socket is opened:
	// the engine is then reached in-process alone.
	Listen string

	// AllowRemote permits a Listen address beyond the loopback interface. Clients are not authenticated.
	AllowRemote bool

	// UnsafeNoSync acknowledges before the data is on stable storage: a power loss may take minutes of acknowledged appends.
	UnsafeNoSync bool

	// StoreBytesMax is what all engine streams together may take on disk. Zero means 70 % of the volume that holds Dir,
	// so that the engine refuses before the disk is full.
	StoreBytesMax int64

	// Name is the engine's name, unique among the engines that know each other. Empty picks a random one.
	Name string

	// Logger receives the engine's own log; nil discards it.
	Logger *slog.Logger
}

// listen is a checked Config.Listen.
type listen struct {
	host string
	port int
}

// address returns nil when the engine shall not listen.
func (c *Config) address() (*listen, error) {
	if c.Listen == "" {
		return nil, nil
	}
	host, service, err := net.SplitHostPort(c.Listen)
	if err != nil {
		return nil, &ListenError{Address: c.Listen, Err: fmt.Errorf("not a host:port such as 127.0.0.1:4222: %w", err)}
	}
	port, err := strconv.ParseUint(service, 10, 16)
	if err != nil {
		return nil, &ListenError{Address: c.Listen, Err: fmt.Errorf("port %q is not a number from 0 to 65535", service)}
	}
	if !c.AllowRemote && !loopback(host) {
		return nil, &ListenError{Address: c.Listen, Err: errRemote}
	}
	return &listen{host: host, port: int(port)}, nil
}

var errRemote = errors.New("the address is reachable from other machines and clients are not authenticated: use 127.0.0.1, or set AllowRemote")

// loopback is strict on purpose: an empty host means every interface.
func loopback(host string) bool {
	if host == "localhost" {
		return true
	}
	ip := net.ParseIP(host)
	return ip != nil && ip.IsLoopback()
}

// options translates c for the engine. The accounts are separate on purpose, see users.
func (c *Config) options(at *listen, u users) *server.Options {
	opts := &server.Options{
		ServerName:             c.Name,
		DontListen:             at == nil,
		NoSigs:                 true,
		NoLog:                  true,
		MaxPayload:             payloadBytesMax,
		JetStream:              true,
		StoreDir:               c.Dir,
		JetStreamMaxStore:      c.StoreBytesMax,
		SyncAlways:             !c.UnsafeNoSync,
		DisableJetStreamBanner: true,
	}
	if opts.ServerName == "" {
		opts.ServerName = "strand-" + rand.Text()
	}
	if at != nil {
		opts.Host, opts.Port = at.host, at.port
		if at.port == 0 {
			opts.Port = server.RANDOM_PORT
		}
	}
	u.apply(opts)
	return opts
}
