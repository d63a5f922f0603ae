package shard

import (
	"encoding/binary"
	"errors"
	"github.com/zeebo/xxh3"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"github.com/strandlog/strand/internal/recordbatch"
	"github.com/strandlog/strand/internal/wire"
)

// sampleFrame is a data frame with two partitions, its first record under a producer header.
func sampleFrame() Frame {
	f := Frame{Kind: KindData, LogID: uuid.UUID{1}, Epoch: 3, Session: 7, Seq: 12, Prev: 99, Time: 1000}
	for p := range int32(2) {
		var b recordbatch.Builder
		b.Reset(int64(10*p), 1000, 3)
		for i := range 2 {
			h := recordbatch.AppendHeader(nil, wire.HeaderVersion, []byte{0, 0, 0, 0, 0, 0, 0, byte(i + 1)})
			h = recordbatch.AppendHeader(h, wire.HeaderProducer, producerHeader{producer: 5, sequence: 6, count: 1, hash: 8}.appendTo(nil))
			b.Append(recordbatch.Entry{Timestamp: 1000, Key: []byte("s-1"), Value: []byte("v"), HeaderCount: 2, Headers: h})
		}
		f.Entries = append(f.Entries, FrameEntry{Partition: p, Base: int64(10 * p), Count: 2, Batches: b.AppendTo(nil)})
	}
	return f
}

func TestFrameRoundTrip(t *testing.T) {
	for name, f := range map[string]Frame{
		"data":    sampleFrame(),
		"empty":   {Kind: KindData, LogID: uuid.UUID{1}, Seq: 1},
		"barrier": {Kind: KindBarrier, Epoch: 1, Session: 2, Seq: 3},
	} {
		data := f.AppendTo(nil)
		got, err := DecodeFrame(data)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if diff := cmp.Diff(f, got); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
		for i := range data {
			data[i] ^= 1
			if _, err := DecodeFrame(data); !errors.Is(err, ErrFrame) {
				t.Fatalf("%s: byte %d flipped: %v", name, i, err)
			}
			data[i] ^= 1
		}
		for n := range data {
			if _, err := DecodeFrame(data[:n]); !errors.Is(err, ErrFrame) {
				t.Fatalf("%s: cut to %d bytes: %v", name, n, err)
			}
		}
	}
}

// FuzzFrame: what decodes is encoded to the same bytes, and is scanned without a panic.
func FuzzFrame(f *testing.F) {
	sample, barrier := sampleFrame(), Frame{Kind: KindBarrier}
	for _, fr := range []*Frame{&sample, &barrier} {
		data := fr.AppendTo(nil)
		f.Add(data[:len(data)-frameSumSize])
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		if fr, err := DecodeFrame(body); err != nil && !errors.Is(err, ErrFrame) {
			t.Fatalf("%v, %v", fr, err)
		}
		fr, err := DecodeFrame(withSum(body)) // past the checksum, into the structure
		if err != nil {
			if !errors.Is(err, ErrFrame) {
				t.Fatal(err)
			}
			return
		}
		if diff := cmp.Diff(withSum(body), fr.AppendTo(nil)); diff != "" {
			t.Error(diff)
		}
		_, _, _ = scan(wire.KindVersioned, &fr)
		s := NewState(uuid.UUID{1}, testLayout)
		s.Seq = fr.Seq - 1
		if _, _, err := s.Apply(fr.Seq, withSum(body)); err != nil && !errors.Is(err, ErrCorrupt) {
			t.Fatal(err)
		}
	})
}

// FuzzProducerRow: a row of the index is refused or survives a round trip.
func FuzzProducerRow(f *testing.F) {
	var pr producer
	pr.add(stored{sequence: 4, hash: 5, firstOffset: 6, firstVersion: 7, partition: 1, write: 2, count: 3, timestamp: 9})
	f.Add(pr.encode())
	f.Fuzz(func(t *testing.T, row []byte) {
		var pr producer
		if err := pr.decode(row); err != nil {
			return
		}
		if diff := cmp.Diff(row, pr.encode()); diff != "" && len(row) > 0 {
			t.Error(diff)
		}
		if _, err := decodeProducerHeader(row); err == nil && len(row) != producerHeaderSize {
			t.Error("a header of a wrong length was taken")
		}
	})
}

// withSum appends the checksum of a frame's body.
func withSum(body []byte) []byte {
	return binary.LittleEndian.AppendUint64(slices.Clone(body), xxh3.Hash(body))
}
