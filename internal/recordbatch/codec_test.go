package recordbatch_test

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"runtime"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/klauspost/compress/s2"
	"github.com/klauspost/compress/zstd"
	"github.com/pierrec/lz4/v4"
	"github.com/twmb/franz-go/pkg/kmsg"
	"pgregory.net/rapid"

	"github.com/strandlog/strand/internal/recordbatch"
)

var codecs = []recordbatch.Codec{recordbatch.Snappy, recordbatch.LZ4, recordbatch.Zstd}

// repetitive has records that every codec makes smaller.
func repetitive(n int) (out []record) {
	for i := range n {
		out = append(out, record{
			Offset:    100 + int64(i),
			Timestamp: 5000 + int64(i),
			Key:       []byte("account-alice"),
			Value:     bytes.Repeat([]byte(fmt.Sprintf(`{"amount":%d}`, i%7)), 20),
			Headers:   []header{{"type", []byte("account.deposited")}, {"null", nil}},
		})
	}
	return out
}

// buildWith makes a compressed batch of producer 42.
func buildWith(c recordbatch.Codec, records ...record) []byte {
	var b recordbatch.Builder
	b.Reset(100, 5000, 7)
	b.SetProducer(42, 3, 17)
	b.SetCodec(c)
	for _, r := range records {
		b.Append(recordbatch.Entry{Timestamp: r.Timestamp, Key: r.Key, Value: r.Value, HeaderCount: len(r.Headers), Headers: encodeHeaders(r.Headers)})
	}
	return b.AppendTo(nil)
}

// withBody makes a batch that says it holds count records, compressed to body.
func withBody(c recordbatch.Codec, count int, body []byte) []byte {
	raw := append(build(100, 5000, 7, record{})[:recordbatch.HeaderBytes], body...)
	raw[22] = byte(c)
	binary.BigEndian.PutUint32(raw[8:], uint32(len(raw)-12))
	binary.BigEndian.PutUint32(raw[23:], uint32(count-1))
	binary.BigEndian.PutUint32(raw[57:], uint32(count))
	return seal(raw)
}

// inflated is what the libraries make of a compressed body: the second opinion.
func inflated(t rapid.TB, c recordbatch.Codec, body []byte) []byte {
	t.Helper()
	var out []byte
	var err error
	switch c {
	case recordbatch.Snappy:
		out, err = s2.Decode(nil, body)
	case recordbatch.LZ4:
		var buf bytes.Buffer
		_, err = buf.ReadFrom(lz4.NewReader(bytes.NewReader(body)))
		out = buf.Bytes()
	case recordbatch.Zstd:
		var d *zstd.Decoder
		if d, err = zstd.NewReader(nil, zstd.WithDecoderConcurrency(1)); err == nil {
			out, err = d.DecodeAll(body, nil)
			d.Close()
		}
	default:
		out = body
	}
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func TestCompressedBatchReadsAsItWasWritten(t *testing.T) {
	want := repetitive(60)
	plain := buildWith(recordbatch.None, want...)
	for _, c := range codecs {
		t.Run(c.String(), func(t *testing.T) {
			raw := buildWith(c, want...)
			if len(raw) >= len(plain)/2 {
				t.Errorf("%d bytes of %d", len(raw), len(plain))
			}
			batch, rest, err := recordbatch.Parse(raw)
			if err != nil || len(rest) != 0 {
				t.Fatalf("%d bytes are left, error %v", len(rest), err)
			}
			info := recordbatch.Info{BaseOffset: 100, Length: len(raw), LastOffsetDelta: 59, Count: 60, BaseTimestamp: 5000, MaxTimestamp: 5059, LeaderEpoch: 7,
				ProducerID: 42, ProducerEpoch: 3, BaseSequence: 17, Codec: c}
			if diff := cmp.Diff(info, batch.Info()); diff != "" {
				t.Errorf("info (-want +got):\n%s", diff)
			}
			for range 2 { // what is pooled has been used by then
				if diff := cmp.Diff(want, recordsOf(t, batch)); diff != "" {
					t.Errorf("records (-want +got):\n%s", diff)
				}
			}
			for r, err := range batch.Records() {
				if err != nil || r.Pos != -1 || r.Len != 0 {
					t.Errorf("record %d has a place: %d, %d bytes, %v", r.Offset, r.Pos, r.Len, err)
				}
				break
			}
		})
	}
}

// TestKmsgAgreesOnCompressed has the header read by kmsg and the records inflated by the libraries.
func TestKmsgAgreesOnCompressed(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := rapid.SampledFrom(append(codecs, recordbatch.None)).Draw(t, "codec")
		want := draw(t, 100)
		if rapid.Bool().Draw(t, "compressible") {
			want = append(want, repetitive(20)...)
		}
		for i := range want {
			want[i].Offset = 100 + int64(i)
		}
		raw := buildWith(c, want...)
		var kb kmsg.RecordBatch
		if err := kb.ReadFrom(raw); err != nil {
			t.Fatal(err)
		}
		plain := buildWith(recordbatch.None, want...)
		if kb.ProducerID != 42 || kb.ProducerEpoch != 3 || kb.FirstSequence != 17 || int(kb.NumRecords) != len(want) {
			t.Fatalf("kmsg reads another header: %+v", kb)
		}
		used := recordbatch.Codec(kb.Attributes)
		if used != c && (used != recordbatch.None || !bytes.Equal(raw, plain)) || len(raw) > len(plain) {
			t.Fatalf("%v gives %v, %d bytes of %d", c, used, len(raw), len(plain))
		}
		if got := inflated(t, used, kb.Records); !bytes.Equal(got, plain[recordbatch.HeaderBytes:]) {
			t.Fatalf("%v: other records", used)
		}
		batch, _, err := recordbatch.Parse(raw)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, recordsOf(t, batch)); diff != "" {
			t.Fatalf("records (-want +got):\n%s", diff)
		}
	})
}

// TestKnownFrames reads what the formats' descriptions say, without any encoder: each frame holds one record as it is.
func TestKnownFrames(t *testing.T) {
	one := build(0, 0, 0, record{Key: []byte("k"), Value: []byte("v")})[recordbatch.HeaderBytes:] // 9 bytes
	body := hex.EncodeToString(one)
	for c, frame := range map[recordbatch.Codec]string{
		recordbatch.Snappy: "09" + "20" + body,                                     // length; a literal of 9
		recordbatch.LZ4:    "04224d18" + "604082" + "09000080" + body + "00000000", // magic; descriptor; 9 bytes as they are; end
		recordbatch.Zstd:   "28b52ffd" + "20" + "09" + "490000" + body,             // magic; one segment; of 9 bytes; last block, raw
	} {
		t.Run(c.String(), func(t *testing.T) {
			raw, err := hex.DecodeString(frame)
			if err != nil {
				t.Fatal(err)
			}
			batch, _, err := recordbatch.Parse(withBody(c, 1, raw))
			if err != nil {
				t.Fatal(err)
			}
			want := []record{{Offset: 100, Timestamp: 5000, Key: []byte("k"), Value: []byte("v")}}
			if diff := cmp.Diff(want, recordsOf(t, batch)); diff != "" {
				t.Errorf("records (-want +got):\n%s", diff)
			}
		})
	}
}

func TestIncompressibleBatchIsStoredAsItIs(t *testing.T) {
	one := record{Offset: 100, Timestamp: 5000, Key: []byte("k"), Value: []byte("v")}
	for _, c := range codecs {
		if diff := cmp.Diff(buildWith(recordbatch.None, one), buildWith(c, one)); diff != "" {
			t.Errorf("%v (-none +got):\n%s", c, diff)
		}
	}
}

func TestBuilderForgetsProducerAndCodecAtReset(t *testing.T) {
	var b recordbatch.Builder
	b.Reset(0, 0, 0)
	b.SetProducer(1, 2, 3)
	b.SetCodec(recordbatch.Zstd)
	b.Reset(0, 0, 0)
	for range 50 {
		b.Append(recordbatch.Entry{Key: []byte("k"), Value: make([]byte, 100)})
	}
	info, err := recordbatch.Peek(b.AppendTo(nil))
	if err != nil || info.ProducerID != -1 || info.ProducerEpoch != -1 || info.BaseSequence != -1 || info.Codec != recordbatch.None {
		t.Errorf("%+v, error %v", info, err)
	}
}

// lastError ranges over the records and returns the error that ended them.
func lastError(b recordbatch.Batch) (last error) {
	for _, err := range b.Records() {
		last = err
	}
	return last
}

// rle is a zstd frame that does not say its size: n blocks of 128 KiB, in 4 bytes each.
func rle(n int) []byte {
	out := []byte{0x28, 0xb5, 0x2f, 0xfd, 0x00, 0x58} // no content size, a window of 2 MiB
	for i := range n {
		header := uint32(128<<10)<<3 | 1<<1
		if i == n-1 {
			header |= 1
		}
		out = append(out, byte(header), byte(header>>8), byte(header>>16), 0)
	}
	return out
}

func lz4Zeros(t testing.TB, n int) []byte {
	t.Helper()
	var buf bytes.Buffer
	w := lz4.NewWriter(&buf)
	if _, err := w.Write(make([]byte, n)); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return buf.Bytes()
}

func TestBombsAreRefused(t *testing.T) {
	const mib = 1 << 20
	tests := []struct {
		name  string
		codec recordbatch.Codec
		body  []byte
		want  error
	}{
		{"zstd that does not say its size", recordbatch.Zstd, rle(8 * 1024), recordbatch.ErrTooLarge},
		{"zstd one block too large", recordbatch.Zstd, rle(129), recordbatch.ErrTooLarge},
		{"zstd that says 2 GiB", recordbatch.Zstd, []byte{0x28, 0xb5, 0x2f, 0xfd, 0xa0, 0, 0, 0, 0x80, 1, 0, 0}, recordbatch.ErrTooLarge},
		{"many frames of zstd", recordbatch.Zstd, bytes.Repeat(rle(8), 17), recordbatch.ErrTooLarge},
		{"lz4", recordbatch.LZ4, lz4Zeros(t, 64*mib), recordbatch.ErrTooLarge},
		{"many frames of lz4", recordbatch.LZ4, bytes.Repeat(lz4Zeros(t, mib), 17), recordbatch.ErrTooLarge},
		{"snappy that says 4 GiB", recordbatch.Snappy, []byte{0xff, 0xff, 0xff, 0xff, 0x0f, 0, 0}, recordbatch.ErrTooLarge},
		{"snappy that says 16 MiB in 7 bytes", recordbatch.Snappy, []byte{0x80, 0x80, 0x80, 0x08, 0, 0, 0}, recordbatch.ErrCorrupt},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			batch, _, err := recordbatch.Parse(withBody(tt.codec, 1, tt.body))
			if err != nil {
				t.Fatal(err)
			}
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			err = lastError(batch)
			runtime.ReadMemStats(&after)
			if e, ok := errors.AsType[*recordbatch.FormatError](err); !ok || !errors.Is(err, tt.want) || e.Pos != recordbatch.HeaderBytes {
				t.Errorf("error %v, want %v at byte %d", err, tt.want, recordbatch.HeaderBytes)
			}
			// What does not say its size grows step by step to the limit, and leaves as garbage what it has outgrown.
			if taken := after.TotalAlloc - before.TotalAlloc; taken > 128*mib {
				t.Errorf("%d MiB were allocated", taken/mib)
			}
		})
	}
}

// TestInflatedToTheLimit shows that the limit itself is not refused as too large.
func TestInflatedToTheLimit(t *testing.T) {
	zeros := make([]byte, recordbatch.InflatedBytesMax)
	for c, body := range map[recordbatch.Codec][]byte{
		recordbatch.Zstd:   rle(128),
		recordbatch.LZ4:    lz4Zeros(t, len(zeros)),
		recordbatch.Snappy: s2.EncodeSnappy(nil, zeros),
	} {
		batch, _, err := recordbatch.Parse(withBody(c, 1, body))
		if err != nil {
			t.Fatal(err)
		}
		if err := lastError(batch); !errors.Is(err, recordbatch.ErrCorrupt) {
			t.Errorf("%v: error %v, want ErrCorrupt, as zeros are no record", c, err)
		}
	}
}

// TestRecordsBytesMax: no batch that can be read takes more than its header lets expect.
func TestRecordsBytesMax(t *testing.T) {
	zeros := []record{{Value: make([]byte, 4<<20)}}
	for _, c := range append(codecs, recordbatch.None) {
		for name, entries := range map[string][]record{"one": repetitive(1), "some": repetitive(200), "zeros": zeros} {
			batch, _, err := recordbatch.Parse(buildWith(c, entries...))
			if err != nil {
				t.Fatal(err)
			}
			plain := len(buildWith(recordbatch.None, entries...)) - recordbatch.HeaderBytes
			if most := batch.Info().RecordsBytesMax(); most < plain || most > recordbatch.InflatedBytesMax {
				t.Errorf("%v, %s: %d bytes of records are bounded by %d", c, name, plain, most)
			}
		}
	}
}

func TestDamageWithinCompressedBytes(t *testing.T) {
	for _, c := range codecs {
		t.Run(c.String(), func(t *testing.T) {
			raw := buildWith(c, repetitive(7)...)
			for i := recordbatch.HeaderBytes; i < len(raw); i++ {
				for _, mask := range []byte{0x01, 0xff} {
					damaged := bytes.Clone(raw)
					damaged[i] ^= mask
					if _, _, err := recordbatch.Parse(damaged); !errors.Is(err, recordbatch.ErrCorrupt) {
						t.Fatalf("byte %d: error %v, want the checksum to tell", i, err)
					}
					batch, _, err := recordbatch.Parse(seal(damaged))
					if err != nil {
						t.Fatal(err)
					}
					if err := lastError(batch); err != nil && !errors.Is(err, recordbatch.ErrCorrupt) && !errors.Is(err, recordbatch.ErrTooLarge) {
						t.Fatalf("byte %d: error %v", i, err)
					}
				}
			}
			cut := withBody(c, 7, raw[recordbatch.HeaderBytes:len(raw)-3])
			batch, _, err := recordbatch.Parse(cut)
			if err != nil {
				t.Fatal(err)
			}
			if err := lastError(batch); !errors.Is(err, recordbatch.ErrCorrupt) {
				t.Errorf("cut off: error %v", err)
			}
		})
	}
}

func TestCompressedBatchChecksItsCount(t *testing.T) {
	plain := buildWith(recordbatch.None, repetitive(20)...)[recordbatch.HeaderBytes:]
	for _, count := range []int{19, 21} {
		batch, _, err := recordbatch.Parse(withBody(recordbatch.Snappy, count, s2.EncodeSnappy(nil, plain)))
		if err != nil {
			t.Fatal(err)
		}
		if err := lastError(batch); !errors.Is(err, recordbatch.ErrCorrupt) {
			t.Errorf("%d records said, 20 held: error %v", count, err)
		}
	}
	if _, _, err := recordbatch.Parse(withBody(recordbatch.Zstd, recordbatch.InflatedBytesMax/7+1, rle(1))); !errors.Is(err, recordbatch.ErrCorrupt) {
		t.Errorf("more records than any batch holds: error %v", err)
	}
}

// TestCodecsAtOnce has the pools used by many.
func TestCodecsAtOnce(t *testing.T) {
	want := repetitive(50)
	plain := buildWith(recordbatch.None, want...)[recordbatch.HeaderBytes:]
	var wg sync.WaitGroup
	for i := range 9 {
		wg.Go(func() {
			for range 5 {
				raw := buildWith(codecs[i%len(codecs)], want...)
				if got := inflated(t, codecs[i%len(codecs)], raw[recordbatch.HeaderBytes:]); !bytes.Equal(plain, got) {
					t.Error("other bytes")
				}
				batch, _, err := recordbatch.Parse(raw)
				if err != nil {
					t.Error(err)
					return
				}
				for r, err := range batch.Records() {
					if err != nil || !bytes.Equal(r.Value, want[r.Offset-100].Value) {
						t.Errorf("record %d is %q, %v", r.Offset, r.Value, err)
					}
				}
			}
		})
	}
	wg.Wait()
}
