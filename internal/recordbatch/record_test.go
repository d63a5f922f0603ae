package recordbatch_test

import (
	"errors"
	"testing"

	"github.com/strandlog/strand/internal/recordbatch"
)

func TestDecodeRecordOfEveryLength(t *testing.T) {
	raw := build(0, 0, 0, sample()[0])[recordbatch.HeaderBytes:]
	for n := range raw {
		if _, _, _, _, err := recordbatch.DecodeRecord(raw[:n]); !errors.Is(err, recordbatch.ErrShort) {
			t.Errorf("%d of %d bytes: error %v, want ErrShort", n, len(raw), err)
		}
	}
	if _, _, _, n, err := recordbatch.DecodeRecord(append(raw, 1, 2, 3)); n != len(raw) || err != nil {
		t.Errorf("%d bytes of %d, error %v", n, len(raw), err)
	}
}

func TestDecodeRecordRefuses(t *testing.T) {
	tests := map[string][]byte{
		"a length of six bytes":     {0x80, 0x80, 0x80, 0x80, 0x80, 0x00, 0, 0, 0, 0, 0, 0, 0},
		"a negative length":         {0x01, 0, 0, 0, 0, 0, 0, 0},
		"a length of nothing":       {0x00, 0, 0, 0, 0, 0, 0, 0},
		"an endless timestamp":      {14, 0, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80},
		"an endless offset":         {14, 0, 0, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80},
		"an offset beyond 32 bits":  {20, 0, 0, 0x80, 0x80, 0x80, 0x80, 0x10, 1, 1, 0},
		"a key beyond the record":   {14, 0, 0, 0, 10, 'k', 1, 0},
		"a value beyond the record": {14, 0, 0, 0, 1, 10, 'v', 0},
		"no header count":           {12, 0, 0, 0, 1, 2, 'v'},
		"headers beyond the record": {14, 0, 0, 0, 1, 1, 2, 2},
		"bytes behind the headers":  {14, 0, 0, 0, 1, 1, 0, 9},
	}
	if _, _, _, _, err := recordbatch.DecodeRecord([]byte{20, 0, 0, 0x80, 0x80, 0x80, 0x80, 0x0f, 1, 1, 0}); err != nil {
		t.Errorf("the largest offset of 32 bits: %v", err)
	}
	for name, raw := range tests {
		t.Run(name, func(t *testing.T) {
			if _, _, _, n, err := recordbatch.DecodeRecord(raw); !errors.Is(err, recordbatch.ErrCorrupt) || n != 0 {
				t.Errorf("%d bytes, error %v; want ErrCorrupt", n, err)
			}
		})
	}
}
