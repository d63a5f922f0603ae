package config

import "log/slog"

// ListenDefault is where clients reach a node that is not told otherwise.
const ListenDefault = "127.0.0.1:4222"

// Config is what the file says, with defaults where it says nothing.
type Config struct {
	DataDir       string // the one key without a default
	Listen        string // host:port
	AllowRemote   bool
	UnsafeNoSync  bool
	StoreBytesMax int64 // bytes; 0: the broker's default
	FreeBytesMin  int64 // bytes; 0: the broker's default
	HeadsMax      int   // streams of a shard; 0: the broker's default
	Cluster       Cluster
	Admin         Admin
	Log           Log
}

// Cluster says which nodes replicate their topics with this one. Without a name the node is alone.
type Cluster struct {
	Name      string
	Node      string
	Listen    string // host:port for the other nodes
	Advertise string // host:port that they are told; empty: Listen
	Peers     []string
	Secret    string
	TLS       TLS
}

// TLS names the files by which nodes know each other, PEM. Empty: they go by the secret.
type TLS struct{ Cert, Key, CA string }

// Admin says where health, metrics and profiles are shown.
type Admin struct {
	Listen      string // host:port; empty: nowhere
	AllowRemote bool
	Pprof       bool
}

// Log says what is logged, and how.
type Log struct {
	Level  slog.Level
	Format Format
}

// Format is the form of the log's lines.
type Format int

// The zero value, Auto, is text on a terminal and JSON elsewhere.
const (
	Auto Format = iota
	Text
	JSON
)

// Reference is a configuration file with every key. What is commented out has that value as its default.
const Reference = `data_dir: /var/lib/brokerd       # required; everything that the node keeps
# listen: 127.0.0.1:4222         # host:port for clients; port 0 takes any free one
# allow_remote: false            # permits listen beyond this machine; clients are not authenticated
# unsafe_no_sync: false          # acknowledges before data is on disk: a power loss takes acknowledged appends with it
# store_bytes_max: 512GiB        # the log on disk, at most; default: 70 % of the volume
# free_bytes_min: 256MiB         # with less free on the volume appends are refused; default: 256 MiB, or 5 % of a small volume
# heads_max: 4194304             # streams of a shard whose version is held in RAM, at most 64 B each
# cluster:                       # the nodes that replicate their topics: 1, 3 or 5 for ever, each with such a file
#   name: orders                 # the cluster's, the same on all nodes
#   node: node-1                 # this one's, another on each
#   listen: 10.0.0.1:6222        # host:port for the other nodes
#   advertise: broker-1:6222     # what they are told, if it is another address
#   peers: [10.0.0.2:6222, 10.0.0.3:6222]
#   secret: change-me            # known to all nodes and to nobody else; or certificates on both sides:
#   tls: {cert: node.pem, key: node.key, ca: ca.pem}
# admin:                         # health, metrics and profiles over HTTP
#   listen: 127.0.0.1:8080       # host:port; default: none
#   allow_remote: false          # permits listen beyond this machine; nobody is authenticated
#   pprof: false                 # profiles under /debug/pprof/: they show what the process holds
# log:
#   level: info                  # debug, info, warn or error
#   format: auto                 # text, json, or auto: text on a terminal, json elsewhere
`
