package segment

import (
	"bytes"
	"runtime"
	"testing"

	"github.com/strandlog/strand/internal/recordbatch"
)

// TestReadOutlivesEviction closes a handle where a reader meets it: after it was looked up and before it is used.
func TestReadOutlivesEviction(t *testing.T) {
	l, err := Open(Config{Dir: t.TempDir()}, 0, Place{})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	var b recordbatch.Builder
	b.Append(recordbatch.Entry{Value: []byte("v")})
	want := b.AppendTo(nil)
	if _, err := l.Append(want); err != nil {
		t.Fatal(err)
	}
	f := l.files[0]
	for range 100 {
		if err := f.handle.Close(); err != nil { // to the reader it is still the file's
			t.Fatal(err)
		}
		got := make([]byte, len(want))
		read := make(chan error)
		go func() { read <- l.pread(f, got, 0) }()
		runtime.Gosched()
		l.mu.Lock()
		f.handle, l.open = nil, nil
		l.mu.Unlock()
		if err := <-read; err != nil || !bytes.Equal(got, want) {
			t.Fatalf("read %x, error %v", got, err)
		}
	}
}
