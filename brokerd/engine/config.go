package engine

import (
	"cmp"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"strconv"
	"time"

	"github.com/nats-io/nats-server/v2/server"
)

const (
	payloadBytesMax     = 8 << 20          // one message of the log, and one client payload
	pendingBytesMax     = 128 << 20        // waiting for one connection to be read; beyond three quarters messages to it are dropped
	memoryBytesMax      = 64 << 20         // engine streams in memory; there are none, so that nothing may grow there
	closedConnsMax      = 16               // of which the server keeps what they were; its default of 10,000 takes 5 MB, and nobody asks
	authTimeout         = 10 * time.Second // of a client that connects; a busy node is slow to hear it
	freeBytesMinDefault = 256 << 20
	freePercentDefault  = 5  // of the volume
	storePercentDefault = 70 // of the volume
)

// Config says where an engine stores and listens. Only Dir is required.
type Config struct {
	// Dir holds the log. It is created with mode 0700. One process at a time may use it: the caller holds the lock.
	Dir string

	// Listen is the host:port for clients; port 0 takes any free one. Empty means that no socket is opened:
	// the engine is then reached in-process alone. In a cluster it means a free port of the loopback interface.
	Listen string

	// AllowRemote permits a Listen address beyond the loopback interface. Clients are not authenticated.
	AllowRemote bool

	// UnsafeNoSync acknowledges before the data is on stable storage: a power loss may take minutes of acknowledged appends.
	UnsafeNoSync bool

	// StoreBytesMax is what all engine streams together may take on disk. Zero means 70 % of the volume that holds Dir,
	// so that the engine refuses before the disk is full.
	StoreBytesMax int64

	// FreeBytesMin is what must stay free on the volume of Dir, see [Engine.Space]. Zero means 256 MiB, or 5 % of the volume where that is less.
	FreeBytesMin int64

	// Name is the engine's name, unique among the engines that know each other. Empty picks a random one.
	Name string

	// Cluster makes the engine one of several. Its Name must then be one that it keeps. Nil: it is alone.
	Cluster *ClusterConfig

	// Logger receives the engine's own log; nil discards it.
	Logger *slog.Logger
}

// withDefaults measures the volume once: the engine's own default is a part of what happens to be free at start,
// and so changes from one start to the next.
func (c Config) withDefaults() (Config, error) {
	if c.FreeBytesMin == 0 || c.StoreBytesMax == 0 {
		v, err := MeasureVolume(c.Dir)
		if err != nil {
			return c, err
		}
		c.FreeBytesMin = cmp.Or(c.FreeBytesMin, v.FreeBytesMin())
		c.StoreBytesMax = cmp.Or(c.StoreBytesMax, v.Total/100*storePercentDefault)
	}
	if c.Name == "" {
		c.Name = "strand-" + rand.Text()
	}
	return c, nil
}

// listen is a checked Config.Listen.
type listen struct {
	host string
	port int
}

// address returns nil when the engine shall not listen.
func (c *Config) address() (*listen, error) {
	if c.Listen == "" {
		if c.Cluster != nil { // the server opens no routes before it has a listener
			return &listen{host: "127.0.0.1"}, nil
		}
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
func (c *Config) options(at *listen, u users) (*server.Options, error) {
	opts := &server.Options{
		ServerName:             c.Name,
		DontListen:             at == nil,
		NoSigs:                 true,
		NoLog:                  true,
		MaxPayload:             payloadBytesMax,
		JetStream:              true,
		StoreDir:               c.Dir,
		JetStreamMaxStore:      c.StoreBytesMax,
		JetStreamMaxMemory:     memoryBytesMax,
		SyncAlways:             !c.UnsafeNoSync,
		DisableJetStreamBanner: true,
		AuthTimeout:            authTimeout.Seconds(),
		MaxPending:             pendingBytesMax,
		MaxClosedClients:       closedConnsMax,
		// Else whoever sends to a connection that is behind waits for milliseconds, a message at a time: all answers of the node would wait for those who
		// do not read theirs. What is dropped instead is asked for again.
		NoFastProducerStall: true,
	}
	if at != nil {
		opts.Host, opts.Port = at.host, at.port
		if at.port == 0 {
			opts.Port = server.RANDOM_PORT
		}
	}
	if c.Cluster != nil {
		if err := c.Cluster.apply(opts); err != nil {
			return nil, err
		}
	}
	u.apply(opts)
	return opts, nil
}
