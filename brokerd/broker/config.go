package broker

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/strandlog/strand/brokerd/shard"
	"github.com/strandlog/strand/commitlog"
)

// Config says where a node stores and listens. The zero value is an embedded node in a temporary directory that is removed by Close.
type Config struct {
	// Dir holds everything that the node keeps. Empty: a temporary directory.
	Dir string

	// Listen is the host:port for clients; port 0 takes a free one. Empty: no socket, only clients of this process.
	Listen string

	// AllowRemote permits a Listen address beyond the loopback interface. Clients are not authenticated.
	AllowRemote bool

	// Cluster makes the node one of several that replicate their topics. Nil: it is alone.
	Cluster *ClusterConfig

	// UnsafeNoSync acknowledges before data is on stable storage: a power loss takes acknowledged appends with it.
	UnsafeNoSync bool

	// StoreBytesMax bounds the log on disk. Default: 70 % of the volume.
	StoreBytesMax int64

	// FreeBytesMin is what must stay free on the volumes of the log and of its caches: with less, appends are refused (commitlog.ErrNoStorage) until
	// there is more again. Default: 256 MiB, or 5 % of the volume where that is less.
	FreeBytesMin int64

	// HeadsMax is the number of streams of a shard whose version is held in RAM, at most 64 B each. Default 4 Mi.
	HeadsMax int

	// RetentionInterval is how often plain and table topics are looked at for records that need not be kept. Default 10 s.
	RetentionInterval time.Duration

	// Admin shows health and metrics over HTTP. Default: nowhere.
	Admin AdminConfig

	// Observer is told of the requests that the node stores. Default: nobody.
	Observer Observer

	// Client tunes the client that the node hands out.
	Client commitlog.Config

	// restore is called once the catalogue is open, before anything is served.
	restore func(ctx context.Context, b *Broker) error

	// wrapLog stands between the sequencers of a topic and the engine. Nil: nothing does.
	wrapLog func(topic string, log shard.Log) shard.Log

	// window is how many frames of a shard are in flight. Default 1.
	window int

	// Logger receives the node's log. Default: discards.
	Logger *slog.Logger
}

// ErrLocked means that another node uses the directory.
var ErrLocked = errors.New("directory is in use")

// LockedError names the directory that another node uses. It is an ErrLocked.
type LockedError struct{ Dir string }

func (e *LockedError) Error() string {
	return fmt.Sprintf("%s is in use by another brokerd: stop that one, or choose another directory", e.Dir)
}

// Is makes errors.Is(err, ErrLocked) true.
func (e *LockedError) Is(target error) bool { return target == ErrLocked }
