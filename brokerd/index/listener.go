package index

import (
	"fmt"

	"github.com/cockroachdb/pebble/v2"
)

// listener hears of Pebble's background work. Any error of it makes the DB unfit: Pebble would try again for ever.
func (d *DB) listener() *pebble.EventListener {
	return &pebble.EventListener{
		BackgroundError: func(err error) { _ = d.fail(err) },
		DataCorruption:  func(info pebble.DataCorruptionInfo) { _ = d.fail(fmt.Errorf("%s: %w", info.Path, info.Details)) },
		CompactionEnd: func(pebble.CompactionInfo) {
			select {
			case d.compacted <- struct{}{}:
			default:
			}
		},
	}
}

// pebbleLogger takes what Pebble has to say.
type pebbleLogger struct{ db *DB }

func (l pebbleLogger) Infof(format string, args ...any) { l.db.log.Debug(fmt.Sprintf(format, args...)) }

func (l pebbleLogger) Errorf(format string, args ...any) { l.db.log.Warn(fmt.Sprintf(format, args...)) }

// Fatalf must not end the process, as Pebble means it to: the index is a cache. It makes the DB unfit, so that nothing is read from it
// or written to it any more.
func (l pebbleLogger) Fatalf(format string, args ...any) {
	fatal := &fatalError{text: fmt.Sprintf(format, args...)}
	for _, arg := range args {
		if cause, ok := arg.(error); ok {
			fatal.cause = cause
		}
	}
	_ = l.db.fail(fatal)
}

// fatalError is what Pebble meant to end the process with. It keeps the error behind the text, which may be a full disk.
type fatalError struct {
	text  string
	cause error
}

func (e *fatalError) Error() string { return e.text }

func (e *fatalError) Unwrap() error { return e.cause }
