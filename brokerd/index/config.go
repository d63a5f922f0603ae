package index

import (
	"cmp"
	"log/slog"
	"math"

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

	fs vfs.FS // tests
}

const (
	cacheBytesDefault = 64 << 20
	bloomBitsPerKey   = 10 // one stream in a hundred costs a read in vain
	memTableBytes     = 16 << 20
	unflushedBytesMax = 16 << 20 // applied bytes after which a flush is started
	sublevelsMax      = 24       // of level 0, beyond which Apply waits for the compactions
	openFilesMax      = 500
)

// options are Pebble's for this index. The two thresholds at which Pebble itself lets writers wait are out of reach:
// it would wait for ever when a disk fails. Apply waits instead, see room in apply.go.
func (c Config) options(d *DB) *pebble.Options {
	log := c.Logger
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	o := &pebble.Options{
		Comparer:                    layout(),
		FormatMajorVersion:          pebble.FormatTableFormatV6, // the oldest with a checksum over the footer of a table
		FS:                          c.fs,
		Lock:                        d.lock,
		Logger:                      pebbleLogger{db: d, log: log},
		EventListener:               d.listener(),
		DisableWAL:                  true,
		CacheSize:                   cmp.Or(c.CacheBytes, cacheBytesDefault),
		MemTableSize:                memTableBytes,
		MemTableStopWritesThreshold: math.MaxInt32,
		L0StopWritesThreshold:       math.MaxInt32,
		MaxOpenFiles:                openFilesMax,
		CompactionConcurrencyRange:  func() (lower, upper int) { return 1, 2 },
	}
	o.Levels[0].FilterPolicy = bloom.FilterPolicy(bloomBitsPerKey) // the levels below inherit it
	o.Experimental.EnableColumnarBlocks = func() bool { return true }
	return o
}
