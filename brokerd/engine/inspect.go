package engine

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"os"
	"path/filepath"
	"time"

	"github.com/nats-io/nats-server/v2/server"
)

// ErrBlock is what a [BlockError] is.
var ErrBlock = errors.New("damaged block")

// BlockError says where a file of an engine stream does not hold what the engine writes. It is an ErrBlock.
type BlockError struct {
	Path   string
	Pos    int64
	Seq    uint64 // the one that should be there, where it is known
	Reason string
	WayOut string // what to do, where it is known
}

func (e *BlockError) Error() string {
	text := fmt.Sprintf("block %s at byte %d: %s", e.Path, e.Pos, e.Reason)
	if e.WayOut != "" {
		text += ": " + e.WayOut
	}
	return text
}

// Is makes errors.Is(err, ErrBlock) true.
func (e *BlockError) Is(target error) bool { return target == ErrBlock }

// Inspect yields the messages of a stream as they lie in the blocks below dir, by ascending sequence, without an engine and without changing
// anything: an engine that starts cuts what it finds damaged, and with it what would tell of the damage. Only structure is checked;
// whether the bytes are right, and sequences without a gap, the caller knows. The first error ends it: an ErrBlock, or one of the file system.
//
// It reads the server's own format, that of v2.15: records of length, sequence, time, subject, headers, payload and checksum back to back.
func Inspect(dir, stream string) iter.Seq2[Message, error] {
	return func(yield func(Message, error) bool) {
		if err := checkName(stream); err != nil {
			yield(Message{}, err)
			return
		}
		blocks, err := listBlocks(filepath.Join(dir, server.JetStreamStoreDir, logAccount, "streams", stream, "msgs"))
		if err != nil {
			yield(Message{}, err)
			return
		}
		for _, b := range blocks {
			more, err := inspectBlock(b.path, yield)
			if err != nil {
				yield(Message{}, err)
			}
			if err != nil || !more {
				return
			}
		}
	}
}

// HasStream says whether there is anything of a stream below dir.
func HasStream(dir, stream string) (bool, error) {
	_, err := os.Stat(filepath.Join(dir, server.JetStreamStoreDir, logAccount, "streams", stream))
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	return err == nil, err
}

// The parts of a stored record.
const (
	recordHeaderBytes = 22 // length 4, sequence 8, time 8, bytes of the subject 2
	recordSumBytes    = 8
	recordBytesMax    = 32 << 20
	hasHeaders        = 1 << 31         // of the length
	erased            = uint64(1) << 63 // of the sequence
	tombstone         = uint64(1) << 62 // of the sequence
	noMessage         = erased | tombstone
)

func inspectBlock(path string, yield func(Message, error) bool) (more bool, err error) {
	f, err := os.Open(path)
	if err != nil {
		return false, err
	}
	defer func() { _ = f.Close() }() // it is only read
	in := &blockReader{path: path, in: f}
	for {
		m, ok, err := in.next()
		if err != nil || !ok {
			return err == nil, err
		}
		if m.Seq&noMessage != 0 {
			continue
		}
		if !yield(m, nil) {
			return false, nil
		}
	}
}

type blockReader struct {
	path string
	in   io.Reader
	pos  int64
}

// next reads one record; ok is false at the end of the block.
func (r *blockReader) next() (m Message, ok bool, err error) {
	damaged := func(format string, args ...any) (Message, bool, error) {
		return Message{}, false, &BlockError{Path: r.path, Pos: r.pos, Reason: fmt.Sprintf(format, args...)}
	}
	var head [recordHeaderBytes]byte
	switch n, err := io.ReadFull(r.in, head[:]); {
	case errors.Is(err, io.EOF):
		return Message{}, false, nil
	case errors.Is(err, io.ErrUnexpectedEOF):
		return damaged("it ends after %d bytes of a record's header", n)
	case err != nil:
		return Message{}, false, err
	}
	length := binary.LittleEndian.Uint32(head[:])
	headers := length&hasHeaders != 0
	length &^= hasHeaders
	subject := int(binary.LittleEndian.Uint16(head[20:]))
	if length < recordHeaderBytes+recordSumBytes || length > recordBytesMax {
		return damaged("a record of %d bytes is impossible", length)
	}
	body := make([]byte, length-recordHeaderBytes)
	if n, err := io.ReadFull(r.in, body); errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return damaged("it ends after %d of %d bytes of a record", n+recordHeaderBytes, length)
	} else if err != nil {
		return Message{}, false, err
	}
	data := body[:len(body)-recordSumBytes]
	if subject > len(data) {
		return damaged("a subject of %d bytes is impossible", subject)
	}
	data = data[subject:]
	if headers {
		if len(data) < 4 || uint64(binary.LittleEndian.Uint32(data)) > uint64(len(data)-4) {
			return damaged("its headers are longer than the record")
		}
		data = data[4+binary.LittleEndian.Uint32(data):]
	}
	r.pos += int64(length)
	return Message{
		Seq:  binary.LittleEndian.Uint64(head[4:]),
		Time: time.Unix(0, int64(binary.LittleEndian.Uint64(head[12:]))),
		Data: data,
	}, true, nil
}
