package recordbatch_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/strandlog/strand/internal/recordbatch"
)

// known reports whether an error is one that callers are told of.
func known(err error) bool {
	_, ok := errors.AsType[*recordbatch.FormatError](err)
	return ok && (errors.Is(err, recordbatch.ErrShort) || errors.Is(err, recordbatch.ErrCorrupt) || errors.Is(err, recordbatch.ErrUnsupported) ||
		errors.Is(err, recordbatch.ErrTooLarge))
}

// FuzzParse feeds the bytes behind a header that is made to fit them, so that the fuzzer gets to the records. A batch that is accepted
// must be read by kmsg as the same records, and a batch built of its records must hold the same ones.
func FuzzParse(f *testing.F) {
	f.Add(int32(4), build(100, 5000, 7, sample()...)[recordbatch.HeaderBytes:])
	f.Add(int32(1), build(0, 0, 0, record{})[recordbatch.HeaderBytes:])
	f.Add(int32(2), build(0, 0, 0, record{Key: []byte("k"), Headers: []header{{"h", nil}}}, record{Timestamp: 1})[recordbatch.HeaderBytes:])
	f.Add(int32(0), []byte{})
	f.Fuzz(func(t *testing.T, count int32, body []byte) {
		raw := append(build(100, 5000, 7, record{})[:recordbatch.HeaderBytes], body...)
		binary.BigEndian.PutUint32(raw[8:], uint32(len(raw)-12))
		binary.BigEndian.PutUint32(raw[23:], uint32(count-1))
		binary.BigEndian.PutUint32(raw[57:], uint32(count))
		raw = seal(raw)
		batch, rest, err := recordbatch.Parse(raw)
		if err != nil {
			if !known(err) {
				t.Fatalf("error %v", err)
			}
			return
		}
		if len(rest) != 0 {
			t.Fatalf("%d bytes are left", len(rest))
		}
		var got []record
		at := recordbatch.HeaderBytes
		for r, err := range batch.Records() {
			if err != nil {
				if !errors.Is(err, recordbatch.ErrCorrupt) {
					t.Fatalf("error %v", err)
				}
				return
			}
			if r.Pos != at {
				t.Fatalf("record %d lies at %d, the one before ended at %d", r.Offset, r.Pos, at)
			}
			at += r.Len
			got = append(got, record{r.Offset, r.Timestamp, r.Key, r.Value, headersOf(r.Headers)})
		}
		if at != len(raw) || len(got) != batch.Info().Count || batch.Info().Next() != batch.Info().BaseOffset+int64(len(got)) {
			t.Fatalf("%d records end at byte %d of %d: %+v", len(got), at, len(raw), batch.Info())
		}
		kb, want := kmsgRecords(t, raw)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Fatalf("records (-kmsg +ours):\n%s", diff)
		}
		again, _, err := recordbatch.Parse(build(kb.FirstOffset, kb.FirstTimestamp, kb.PartitionLeaderEpoch, got...))
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(got, recordsOf(t, again)); diff != "" {
			t.Fatalf("records of a batch built of them (-want +got):\n%s", diff)
		}
	})
}

// FuzzParseAnyBytes feeds bytes as they are.
func FuzzParseAnyBytes(f *testing.F) {
	raw := build(100, 5000, 7, sample()...)
	f.Add(raw)
	f.Add(append(raw, raw...))
	f.Add(raw[:recordbatch.HeaderBytes])
	f.Fuzz(func(t *testing.T, raw []byte) {
		info, peekErr := recordbatch.Peek(raw)
		batch, rest, err := recordbatch.Parse(raw)
		if err != nil && !known(err) || peekErr != nil && !known(peekErr) {
			t.Fatalf("errors %v, %v", err, peekErr)
		}
		if err != nil {
			return
		}
		if info != batch.Info() || peekErr != nil {
			t.Fatalf("Peek says %+v (error %v), Parse %+v", info, peekErr, batch.Info())
		}
		if !bytes.Equal(append(bytes.Clone(batch.Bytes()), rest...), raw) || len(batch.Bytes()) != info.Length {
			t.Fatal("batch and rest are not what was given")
		}
		for _, err := range batch.Records() {
			if err != nil {
				break
			}
		}
	})
}

// FuzzInflate feeds bytes as if a codec had written them. What is accepted is read as the same records when it is stored as it inflates.
func FuzzInflate(f *testing.F) {
	for _, c := range codecs {
		raw := buildWith(c, repetitive(9)...)
		f.Add(uint8(c), uint16(9), raw[recordbatch.HeaderBytes:])
	}
	f.Add(uint8(recordbatch.Zstd), uint16(1), rle(129))
	f.Fuzz(func(t *testing.T, codec uint8, count uint16, body []byte) {
		raw := withBody(recordbatch.Codec(codec&7), int(count), body)
		batch, _, err := recordbatch.Parse(raw)
		if err != nil {
			if !known(err) {
				t.Fatalf("error %v", err)
			}
			return
		}
		var got []record
		for r, err := range batch.Records() {
			if err != nil {
				if !errors.Is(err, recordbatch.ErrCorrupt) && !errors.Is(err, recordbatch.ErrTooLarge) {
					t.Fatalf("error %v", err)
				}
				return
			}
			got = append(got, record{r.Offset, r.Timestamp, r.Key, r.Value, headersOf(r.Headers)})
		}
		if len(got) != int(count) {
			t.Fatalf("%d records, not %d", len(got), count)
		}
		again, _, err := recordbatch.Parse(build(100, 5000, 7, got...))
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(got, recordsOf(t, again)); diff != "" {
			t.Fatalf("records of a batch built of them (-want +got):\n%s", diff)
		}
	})
}

func FuzzDecodeRecord(f *testing.F) {
	f.Add(build(100, 5000, 7, sample()...)[recordbatch.HeaderBytes:])
	f.Add([]byte{12, 0, 0, 0, 1, 1, 0})
	f.Fuzz(func(t *testing.T, raw []byte) {
		key, value, h, n, err := recordbatch.DecodeRecord(raw)
		if err != nil {
			if !known(err) || n != 0 {
				t.Fatalf("%d bytes, error %v", n, err)
			}
			return
		}
		if n < 7 || n > len(raw) {
			t.Fatalf("%d bytes of %d", n, len(raw))
		}
		if err := recordbatch.ValidateHeaders(h.Raw(), h.Len()); err != nil {
			t.Fatal(err)
		}
		again, _, err := recordbatch.Parse(build(0, 0, 0, record{Key: key, Value: value, Headers: headersOf(h)}))
		if err != nil {
			t.Fatal(err)
		}
		for r, err := range again.Records() {
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(r.Key, key) || !bytes.Equal(r.Value, value) || !cmp.Equal(headersOf(r.Headers), headersOf(h)) {
				t.Fatalf("%q = %q becomes %q = %q", key, value, r.Key, r.Value)
			}
		}
	})
}

func FuzzValidateHeaders(f *testing.F) {
	f.Add(encodeHeaders(sample()[2].Headers), 4)
	f.Add([]byte{}, 0)
	f.Add([]byte{0x80, 0x80}, 1<<31-1)
	f.Fuzz(func(t *testing.T, raw []byte, count int) {
		h, err := recordbatch.ParseHeaders(raw, count)
		if err != nil {
			if !errors.Is(err, recordbatch.ErrCorrupt) {
				t.Fatalf("error %v", err)
			}
			return
		}
		all := headersOf(h)
		if len(all) != count || h.Len() != count {
			t.Fatalf("%d headers of %d", len(all), count)
		}
		again := encodeHeaders(all)
		if len(again) > len(raw) || recordbatch.ValidateHeaders(again, count) != nil {
			t.Fatalf("%x becomes %x", raw, again)
		}
	})
}
