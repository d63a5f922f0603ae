package shard

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/zeebo/xxh3"
)

// mark is a file that holds the highest acknowledged engine sequence and the sum of the log there. It is the only memory outside the log
// of what was promised: a log that does not reach it has lost acknowledged records.
//
// It is written behind the answer, without a sync: after kill -9 it may lack the last frames, after a power loss the last seconds. It never
// names what was not acknowledged.
type mark struct {
	file *os.File
	seq  uint64
	sum  uint64
}

const markSize = 24 // sequence 8, sum 8, xxh3 of both 8

func openMark(path string) (*mark, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("opening the mark of acknowledged frames: %w", err)
	}
	m := &mark{file: f}
	var b [markSize]byte
	switch _, err := f.ReadAt(b[:], 0); {
	case errors.Is(err, io.EOF):
		return m, nil // new, or torn while it was first written
	case err != nil:
		return nil, errors.Join(fmt.Errorf("reading the mark of acknowledged frames: %w", err), f.Close())
	}
	// A torn mark says nothing: the one before it is lost with it, and the barrier still guards the log itself.
	if binary.LittleEndian.Uint64(b[16:]) == xxh3.Hash(b[:16]) {
		m.seq, m.sum = binary.LittleEndian.Uint64(b[:]), binary.LittleEndian.Uint64(b[8:])
	}
	return m, nil
}

func (m *mark) set(seq, sum uint64) error {
	var b [markSize]byte
	binary.LittleEndian.PutUint64(b[:], seq)
	binary.LittleEndian.PutUint64(b[8:], sum)
	binary.LittleEndian.PutUint64(b[16:], xxh3.Hash(b[:16]))
	if _, err := m.file.WriteAt(b[:], 0); err != nil {
		return fmt.Errorf("writing the mark of acknowledged frames: %w", err)
	}
	return nil
}

func (m *mark) close() error { return m.file.Close() }
