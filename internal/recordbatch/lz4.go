package recordbatch

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"slices"
	"sync"

	"github.com/pierrec/lz4/v4"
)

const (
	lz4Magic    = 0x184d2204
	lz4RatioMax = 256 // one byte of an LZ4 block stands for at most 255
)

// deflaterLZ4 writes one frame after the other, each into the bytes that it is given.
type deflaterLZ4 struct {
	w   *lz4.Writer
	dst []byte
}

func (d *deflaterLZ4) Write(p []byte) (int, error) {
	d.dst = append(d.dst, p...)
	return len(p), nil
}

// deflatersLZ4 make frames of independent blocks, as Kafka's clients want them, without checksums: the batch has one.
var deflatersLZ4 = sync.Pool{New: func() any {
	d := &deflaterLZ4{}
	d.w = lz4.NewWriter(d)
	// These options are refused only by a writer that is in use.
	_ = d.w.Apply(lz4.BlockSizeOption(lz4.Block256Kb), lz4.ChecksumOption(false), lz4.BlockChecksumOption(false), lz4.ConcurrencyOption(1))
	return d
}}

func deflateLZ4(dst, src []byte) []byte {
	d := deflatersLZ4.Get().(*deflaterLZ4)
	defer deflatersLZ4.Put(d)
	d.dst = dst
	d.w.Reset(d)
	_, err := d.w.Write(src)
	if closeErr := d.w.Close(); err == nil {
		err = closeErr
	}
	out := d.dst
	d.dst = nil
	if err != nil { // none is known, as memory does not refuse; the batch is then stored as it is
		return append(out[:len(dst)], src...)
	}
	return out
}

// inflaterLZ4 owns a reader and what it reads.
type inflaterLZ4 struct {
	r   *lz4.Reader
	src bytes.Reader
}

var inflatersLZ4 = sync.Pool{New: func() any {
	d := &inflaterLZ4{}
	d.r = lz4.NewReader(&d.src)
	_ = d.r.Apply(lz4.ConcurrencyOption(1))
	return d
}}

func inflateLZ4(src []byte) ([]byte, error) {
	if len(src) < 4 || binary.LittleEndian.Uint32(src) != lz4Magic {
		return nil, corrupt(0, "lz4: no frame begins there")
	}
	d := inflatersLZ4.Get().(*inflaterLZ4)
	defer inflatersLZ4.Put(d)
	defer d.src.Reset(nil)
	d.src.Reset(src)
	d.r.Reset(&d.src)
	// The frame does not say how much it holds, so the room for it grows as it is read; a byte more than is allowed shows that there is more.
	most := min(lz4RatioMax*len(src), InflatedBytesMax+1)
	out := make([]byte, 0, min(4*len(src), most))
	for {
		if len(out) == cap(out) {
			if len(out) >= most {
				break
			}
			out = slices.Grow(out, min(len(out), most-len(out)))
		}
		n, err := d.r.Read(out[len(out):min(cap(out), most)])
		out = out[:len(out)+n]
		switch {
		case len(out) >= most:
		case errors.Is(err, io.EOF):
			return out, nil
		case err != nil:
			return nil, corrupt(0, "lz4: %v", err)
		default:
			continue
		}
		break
	}
	if len(out) > InflatedBytesMax {
		return nil, tooLarge(0, "lz4: more than %d bytes when not compressed", InflatedBytesMax)
	}
	return nil, corrupt(0, "lz4: %d bytes cannot hold %d", len(src), len(out))
}
