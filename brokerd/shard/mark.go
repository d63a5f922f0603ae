package shard

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"

	"github.com/zeebo/xxh3"
)

// mark is a file that holds the highest acknowledged engine sequence and the sum of the log there. It is the only memory outside the log
// of what was promised: a log that does not reach it has lost acknowledged records. It also holds the sequence before which the log was cut,
// as after a power loss the engine may show messages again that it had removed.
//
// It is written behind the answer, without a sync: after kill -9 it may lack the last frames, after a power loss the last seconds. It never
// names what was not acknowledged.
type mark struct {
	file *os.File

	mu  sync.Mutex
	seq uint64
	sum uint64
	cut uint64
}

const markSize = 32 // sequence 8, sum 8, cut 8, xxh3 of all three 8

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
	if binary.LittleEndian.Uint64(b[24:]) == xxh3.Hash(b[:24]) {
		m.seq, m.sum, m.cut = binary.LittleEndian.Uint64(b[:]), binary.LittleEndian.Uint64(b[8:]), binary.LittleEndian.Uint64(b[16:])
	}
	return m, nil
}

// acked is the newest acknowledged frame that the mark names, and its sum.
func (m *mark) acked() (seq, sum uint64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.seq, m.sum
}

// cutAt is the sequence before which the log was cut, 0 when it never was.
func (m *mark) cutAt() uint64 {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.cut
}

func (m *mark) set(seq, sum uint64) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.seq, m.sum = seq, sum
	return m.write()
}

// setCut notes durably that the log is about to be cut.
func (m *mark) setCut(before uint64) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.cut = before
	if err := m.write(); err != nil {
		return err
	}
	if err := m.file.Sync(); err != nil {
		return fmt.Errorf("syncing the mark of acknowledged frames: %w", err)
	}
	return nil
}

func (m *mark) write() error {
	var b [markSize]byte
	binary.LittleEndian.PutUint64(b[:], m.seq)
	binary.LittleEndian.PutUint64(b[8:], m.sum)
	binary.LittleEndian.PutUint64(b[16:], m.cut)
	binary.LittleEndian.PutUint64(b[24:], xxh3.Hash(b[:24]))
	if _, err := m.file.WriteAt(b[:], 0); err != nil {
		return fmt.Errorf("writing the mark of acknowledged frames: %w", err)
	}
	return nil
}

func (m *mark) close() error { return m.file.Close() }
