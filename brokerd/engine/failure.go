package engine

import (
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
)

// failure is that a stream could not be written, from then on until a restart: the server refuses every later message of it by saying nothing.
type failure struct {
	note    string
	err     *atomic.Pointer[error]
	trouble chan struct{}
}

func newFailure(dir string) failure {
	return failure{note: filepath.Join(dir, "doubtful"), err: new(atomic.Pointer[error]), trouble: make(chan struct{}, 1)}
}

// writeFailure knows the server's words. The tests of full and failing disks fail if they change.
func writeFailure(text string) bool { return strings.Contains(strings.ToLower(text), "write error") }

// set also notes the failure for the next start, see rewriteDoubtful. It is called by the server under its locks, before anything else can be
// made of the failure.
func (f *failure) set(err error) {
	if !f.err.CompareAndSwap(nil, &err) {
		return
	}
	// Not synced on purpose. The note tells of bytes that are in the page cache and maybe not on the disk: what takes those away, a loss of
	// power, may take the note too. On a full disk even an empty file counts.
	if file, err := os.OpenFile(f.note, os.O_CREATE|os.O_WRONLY, 0o600); err == nil {
		_ = file.Close()
	}
	select {
	case f.trouble <- struct{}{}:
	default:
	}
}

func (f *failure) get() error {
	if err := f.err.Load(); err != nil {
		return *err
	}
	return nil
}
