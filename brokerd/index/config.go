package index

import (
	"cmp"
	"log/slog"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/bloom"
	"github.com/cockroachdb/pebble/v2/vfs"
)

// Config is how a DB uses the machine. The zero value works.
type Config struct {
	// CacheBytes is what Pebble may keep of its files in RAM; default 64 MiB. The bloom filters should fit: they take 10 bits
	// for each stream of each table, so about 2 to 4 MiB for a million streams.
	CacheBytes int64
	Logger     *slog.Logger // default: silent

	fs vfs.FS // for tests
}

const (
	cacheBytesDefault = 64 << 20
	bloomBitsPerKey   = 10        // one stream in a hundred costs a read in vain
	indexBlockBytes   = 256 << 10 // so that a table has one index block, which stays in RAM
	sublevelsMax      = 24        // of level 0, beyond which Apply waits for the compactions
	openFilesMax      = 500
)

func (c Config) withDefaults() Config {
	c.CacheBytes = cmp.Or(c.CacheBytes, cacheBytesDefault)
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	if c.fs == nil {
		c.fs = vfs.Default
	}
	return c
}

// options are Pebble's for this index. Nothing is ever written but whole tables (table.go), so what they say of memtables does not matter.
func (c Config) options(d *DB) *pebble.Options {
	o := &pebble.Options{
		Comparer:                   layout(),
		FormatMajorVersion:         pebble.FormatTableFormatV6, // the oldest with a checksum over the footer of a table
		FS:                         c.fs,
		Lock:                       d.lock,
		Logger:                     pebbleLogger{d},
		EventListener:              d.listener(),
		DisableWAL:                 true,
		CacheSize:                  c.CacheBytes,
		MaxOpenFiles:               openFilesMax,
		CompactionConcurrencyRange: func() (lower, upper int) { return 1, 2 },
	}
	// The levels below inherit what level 0 has.
	o.Levels[0].FilterPolicy = bloom.FilterPolicy(bloomBitsPerKey)
	o.Levels[0].IndexBlockSize = indexBlockBytes
	o.Experimental.EnableColumnarBlocks = func() bool { return true }
	// Pebble takes a suffix for the age of a version and keeps all values but the newest in blocks of their own. Ours are read in rows.
	o.Experimental.SpanPolicyFunc = func([]byte) (policy pebble.SpanPolicy, end []byte, err error) {
		return pebble.SpanPolicy{DisableValueSeparationBySuffix: true}, nil, nil
	}
	o.EnsureDefaults()
	return o
}
