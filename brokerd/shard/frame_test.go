package shard

import (
	"encoding/binary"
	"errors"
	"github.com/zeebo/xxh3"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
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
	sample, barrier, snapshot := sampleFrame(), Frame{Kind: KindBarrier}, Frame{Kind: KindSnapshot}
	body := sampleSnapshot()
	snapshot.Body = body.appendTo(nil)
	for _, fr := range []*Frame{&sample, &barrier, &snapshot} {
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

func sampleSnapshot() Snapshot {
	return Snapshot{Next: []int64{3, 2, 1}, Starts: []int64{1, 2, 0}, Bytes: 99, Forgotten: 7, Producers: []producerRow{{id: 5, row: []byte("row")}, {id: 6}}}
}

// TestSnapshotSurvives: what a snapshot says is read back, and no part of it is taken for a whole.
func TestSnapshotSurvives(t *testing.T) {
	want := sampleSnapshot()
	body := want.appendTo(nil)
	got, err := decodeSnapshot(body, 3)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(producerRow{}), cmpopts.EquateEmpty()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	for n := range body {
		if _, err := decodeSnapshot(body[:n], 3); err == nil {
			t.Errorf("%d of %d bytes were taken", n, len(body))
		}
	}
	for slots := range 6 {
		if _, err := decodeSnapshot(body, slots); (err == nil) != (slots == 3) {
			t.Errorf("as one of %d slots: %v", slots, err)
		}
	}
}

// TestExtentSurvives: the same of what the index's watermark says of the log.
func TestExtentSurvives(t *testing.T) {
	want := State{Bytes: 99, Points: []Point{{Seq: 1, Time: 2, Bytes: 3, Next: []int64{4, 5, 6}}, {Seq: 7, Next: []int64{8, 9, 10}}}}
	for n := range len(want.Points) + 1 {
		want := State{Bytes: want.Bytes, Points: want.Points[:n]}
		b := appendForgotten(appendExtent(nil, &want), 1<<40)
		bytes, points, forgotten, err := decodeExtent(b, 3)
		if err != nil || bytes != want.Bytes || forgotten != 1<<40 {
			t.Errorf("%d points: %d bytes, forgotten up to %d: %v", n, bytes, forgotten, err)
		}
		if diff := cmp.Diff(want.Points, points, cmpopts.EquateEmpty()); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
		for n := range b {
			if _, _, _, err := decodeExtent(b[:n], 3); err == nil {
				t.Errorf("%d of %d bytes were taken", n, len(b))
			}
		}
	}
}

// FuzzProducerRow: a row of the index is refused or survives a round trip.
func FuzzProducerRow(f *testing.F) {
	var pr producer
	pr.epoch, pr.forgotten = 10, 11
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
