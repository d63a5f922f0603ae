package recordbatch

import (
	"errors"
	"fmt"
	"slices"
	"sync"

	"github.com/klauspost/compress/zstd"
)

// The fastest level is twice as fast as the default one with batches of small JSON records, and makes them as small.
//
// Encoders and decoders work on the caller's goroutine, one batch at a time; the pools keep as many as work at once.
var (
	deflatersZstd = sync.Pool{New: func() any {
		e, err := zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1), zstd.WithEncoderCRC(false), zstd.WithEncoderLevel(zstd.SpeedFastest))
		if err != nil {
			return err
		}
		return e
	}}
	inflatersZstd = sync.Pool{New: func() any {
		d, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(InflatedBytesMax))
		if err != nil {
			return err
		}
		return d
	}}
)

func deflateZstd(dst, src []byte) []byte {
	e, ok := deflatersZstd.Get().(*zstd.Encoder)
	if !ok { // its options are refused, which its tests show; the batch is then stored as it is
		return append(dst, src...)
	}
	defer deflatersZstd.Put(e)
	return e.EncodeAll(src, dst)
}

func inflateZstd(src []byte) ([]byte, error) {
	pooled := inflatersZstd.Get()
	d, ok := pooled.(*zstd.Decoder)
	if !ok {
		return nil, fmt.Errorf("recordbatch: zstd: %v", pooled)
	}
	defer inflatersZstd.Put(d)
	out, err := d.DecodeAll(src, nil)
	switch {
	case errors.Is(err, zstd.ErrDecoderSizeExceeded), errors.Is(err, zstd.ErrWindowSizeExceeded):
		return nil, tooLarge(0, "zstd: %v: at most %d bytes are taken when not compressed", err, InflatedBytesMax)
	case err != nil:
		return nil, corrupt(0, "zstd: %v", err)
	}
	return slices.Clip(out), nil
}
