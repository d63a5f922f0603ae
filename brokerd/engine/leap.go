package engine

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"sort"
	"sync"
	"time"

	"github.com/nats-io/nats-server/v2/server"
)

// leapMax is how far the sequences of one block may lie apart. A log has no gaps; but a block that was cut or copied may have some, and the engine
// is the one to say what it makes of them. It counts through a million in the blink of an eye.
const leapMax = 1 << 20

// walkFresh is for how long a block that was walked is not walked again, but for what was added to it: whoever follows a log reads its newest block
// many times a second. The engine, too, keeps a block for a while after it has read it.
const walkFresh = 5 * time.Second

// leaps looks for records that claim a sequence far ahead, in blocks that the engine is about to read. The server looks at no checksum when it reads a
// block of a stream that was closed well, but at sequences: it notes each one that is missing, and one flipped bit has it count to 2^61, under its locks,
// until memory ends. So each block is walked first, from header to header, which takes a fraction of the time in which the server reads it.
type leaps struct {
	root string // holds a directory per stream

	mu      sync.Mutex
	streams map[string]*walkedStream
}

type walkedStream struct {
	mu     sync.Mutex
	dir    string
	blocks map[uint64]*walkedBlock // by number
}

// walkedBlock is a block as far as it was walked.
type walkedBlock struct {
	file os.FileInfo // the server puts new files in the place of old ones
	at   time.Time   // of the walk from the beginning
	pos  int64       // the next record
	last uint64      // the highest sequence, 0 before the first
}

func newLeaps(dir string) *leaps {
	return &leaps{root: filepath.Join(dir, server.JetStreamStoreDir, logAccount, "streams"), streams: map[string]*walkedStream{}}
}

// check walks the blocks of a stream that hold the sequences from ≤ seq ≤ to. Any leap is a *[BlockError]. It returns the sequence up to which it
// has looked. Of a stream that is kept elsewhere there is nothing to look at.
func (l *leaps) check(stream string, from, to uint64) (upTo uint64, err error) {
	l.mu.Lock()
	s := l.streams[stream]
	if s == nil {
		s = &walkedStream{dir: filepath.Join(l.root, stream, "msgs"), blocks: map[uint64]*walkedBlock{}}
		l.streams[stream] = s
	}
	l.mu.Unlock()
	s.mu.Lock()
	defer s.mu.Unlock()
	blocks, err := listBlocks(s.dir)
	if err != nil {
		return 0, err
	}
	s.forget(blocks)
	for _, b := range blocks[holding(blocks, from):] {
		w, err := s.walk(b)
		if err != nil {
			return 0, err
		}
		if upTo = max(upTo, w.last); upTo >= to {
			break
		}
	}
	return upTo, nil
}

// forget is for streams that are deleted, and for blocks that are in doubt.
func (l *leaps) forget(stream string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.streams, stream)
}

// doubt is check of blocks as they are now, whatever was walked before.
func (l *leaps) doubt(stream string, from, to uint64) error {
	l.forget(stream)
	_, err := l.check(stream, from, to)
	return err
}

// holding is the index of the block in which a sequence should be. A first header that is damaged may mislead it, to a block nearby: then the damage
// lies between that one and the right one, and is met on the way.
func holding(blocks []block, seq uint64) int {
	after := sort.Search(len(blocks), func(i int) bool {
		first, ok := firstOf(blocks[i].path)
		return !ok || first > seq
	})
	return max(after-1, 0)
}

// firstOf is the sequence that a block begins with. One that was just begun has none.
func firstOf(path string) (seq uint64, ok bool) {
	f, err := os.Open(path)
	if err != nil {
		return 0, false
	}
	defer func() { _ = f.Close() }() // it is only read
	var head [recordHeaderBytes]byte
	if _, err := f.ReadAt(head[:], 0); err != nil {
		return 0, false
	}
	return binary.LittleEndian.Uint64(head[4:]) &^ noMessage, true
}

// forget drops what is known of blocks that are gone.
func (s *walkedStream) forget(blocks []block) {
	if len(s.blocks) <= len(blocks) {
		return
	}
	there := map[uint64]bool{}
	for _, b := range blocks {
		there[b.number] = true
	}
	for number := range s.blocks {
		if !there[number] {
			delete(s.blocks, number)
		}
	}
}

func (s *walkedStream) walk(b block) (*walkedBlock, error) {
	f, err := os.Open(b.path)
	if errors.Is(err, fs.ErrNotExist) { // purged meanwhile
		return &walkedBlock{}, nil
	}
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }() // it is only read
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	w := s.blocks[b.number]
	if w == nil || !os.SameFile(w.file, info) || info.Size() < w.pos || time.Since(w.at) >= walkFresh {
		w = &walkedBlock{file: info, at: time.Now()}
	}
	if err := w.on(f, b.path, info.Size()); err != nil {
		return nil, err
	}
	s.blocks[b.number] = w
	return w, nil
}

// walkLeaps walks a whole block from its beginning.
func walkLeaps(path string) error {
	s := walkedStream{blocks: map[uint64]*walkedBlock{}}
	_, err := s.walk(block{path: path})
	return err
}

// recentMax is above the time within which the server looks for duplicates, 100 ms: what was stored in it is read when the server starts.
const recentMax = 500 * time.Millisecond

// checkStart walks what the server reads by itself when it starts: the end of each stream; and in a cluster all that the nodes have agreed on and that is
// not put aside yet.
func checkStart(dir string) error {
	store := filepath.Join(dir, server.JetStreamStoreDir)
	err := eachStore(filepath.Join(store, logAccount, "streams"), checkEnd)
	if err != nil {
		return err
	}
	return eachStore(filepath.Join(store, server.DEFAULT_SYSTEM_ACCOUNT, "_js_"), checkGroup)
}

// checkEnd walks the newest block, which the server also reads before it writes to it again, and what else is recent.
func checkEnd(blocks []block) error {
	for i, b := range slices.Backward(blocks) {
		info, err := os.Stat(b.path)
		if err != nil || i < len(blocks)-1 && time.Since(info.ModTime()) > recentMax {
			return err
		}
		if err := walkLeaps(b.path); err != nil {
			return err
		}
	}
	return nil
}

// checkGroup walks what the copies of a stream have agreed on. Nothing of it can be made again from the rest of the directory.
func checkGroup(blocks []block) error {
	for _, b := range blocks {
		err := walkLeaps(b.path)
		if damaged := new(BlockError); errors.As(err, &damaged) {
			damaged.WayOut = wayOutOfGroup
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// eachStore calls a function with the blocks of each directory below another, but for empty ones.
func eachStore(root string, check func(blocks []block) error) error {
	stores, err := os.ReadDir(root)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	for _, store := range stores {
		blocks, err := listBlocks(filepath.Join(root, store.Name(), "msgs"))
		if err == nil && len(blocks) > 0 {
			err = check(blocks)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// windowBytes are read at once: of small records many headers, of large ones not much more than the header.
const windowBytes = 4 << 10

// on walks the records that follow, as the server does. A record that cannot be is where the server ends too: it then looks at checksums, and what it
// makes of the block is told by the gap that it leaves.
func (w *walkedBlock) on(f io.ReaderAt, path string, size int64) error {
	var (
		buf    [windowBytes]byte
		window []byte // what of buf is read
		start  int64  // where in the block
	)
	for w.pos+recordHeaderBytes <= size {
		if w.pos < start || w.pos+recordHeaderBytes > start+int64(len(window)) {
			n, err := f.ReadAt(buf[:], w.pos)
			if err != nil && !errors.Is(err, io.EOF) {
				return err
			}
			window, start = buf[:n], w.pos
			if n < recordHeaderBytes { // cut meanwhile
				return nil
			}
		}
		head := window[w.pos-start:]
		length := int64(binary.LittleEndian.Uint32(head) &^ hasHeaders)
		if length < recordHeaderBytes+recordSumBytes || length > recordBytesMax || w.pos+length > size {
			return nil
		}
		seq := binary.LittleEndian.Uint64(head[4:])
		if seq&tombstone == 0 {
			seq &^= erased
			if w.last > 0 && seq > w.last && seq-w.last > leapMax {
				return &BlockError{Path: path, Pos: w.pos, Seq: w.last + 1, WayOut: wayOut,
					Reason: fmt.Sprintf("a record claims sequence %d after %d, so its header is damaged", seq, w.last)}
			}
			w.last = max(w.last, seq)
		}
		w.pos += length
	}
	return nil
}

const (
	wayOut = "stop the node and put the file back from a copy, or restore a backup; " +
		"in a cluster, remove the directory of the stream, two above the file, and the other nodes copy it here again"
	wayOutOfGroup = "empty the log directory of the node, and it is filled by the other nodes"
)
