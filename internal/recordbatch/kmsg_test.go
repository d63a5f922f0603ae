package recordbatch_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/twmb/franz-go/pkg/kmsg"
	"pgregory.net/rapid"

	"github.com/strandlog/strand/internal/recordbatch"
)

// The Kafka client's own codec is the oracle: what one side writes, the other must read as the same records.

// kmsgRecords decodes the records of a batch with kmsg.
func kmsgRecords(t rapid.TB, raw []byte) (kmsg.RecordBatch, []record) {
	t.Helper()
	var batch kmsg.RecordBatch
	if err := batch.ReadFrom(raw); err != nil {
		t.Fatalf("kmsg does not read the batch: %v", err)
	}
	var records []record
	rest := batch.Records
	for range batch.NumRecords {
		var r kmsg.Record
		if err := r.ReadFrom(rest); err != nil {
			t.Fatalf("kmsg does not read record %d: %v", len(records), err)
		}
		out := record{
			Offset:    batch.FirstOffset + int64(r.OffsetDelta),
			Timestamp: batch.FirstTimestamp + r.TimestampDelta64,
			Key:       r.Key,
			Value:     r.Value,
		}
		if batch.Attributes&(1<<3) != 0 {
			out.Timestamp = batch.MaxTimestamp
		}
		for _, h := range r.Headers {
			out.Headers = append(out.Headers, header{h.Key, h.Value})
		}
		records = append(records, out)
		_, _, _, n, err := recordbatch.DecodeRecord(rest)
		if err != nil {
			t.Fatal(err)
		}
		if kmsgLen := len(r.AppendTo(nil)); r.Length != int32(n-varintBytes(r.Length)) || kmsgLen > n {
			t.Fatalf("record %d has %d bytes, kmsg says %d behind its length and writes %d", len(records)-1, n, r.Length, kmsgLen)
		}
		rest = rest[n:]
	}
	if len(rest) > 0 {
		t.Fatalf("kmsg leaves %d bytes behind the records", len(rest))
	}
	return batch, records
}

func varintBytes(v int32) int {
	n := 1
	for z := uint32(v<<1) ^ uint32(v>>31); z >= 0x80; z >>= 7 {
		n++
	}
	return n
}

// kmsgBatch encodes a batch with kmsg; offsets of the records are ignored.
func kmsgBatch(base, baseTimestamp int64, epoch int32, records []record) []byte {
	batch := kmsg.RecordBatch{
		FirstOffset:          base,
		PartitionLeaderEpoch: epoch,
		Magic:                2,
		LastOffsetDelta:      int32(len(records) - 1),
		FirstTimestamp:       baseTimestamp,
		MaxTimestamp:         records[0].Timestamp,
		ProducerID:           -1,
		ProducerEpoch:        -1,
		FirstSequence:        -1,
		NumRecords:           int32(len(records)),
	}
	for i, r := range records {
		batch.MaxTimestamp = max(batch.MaxTimestamp, r.Timestamp)
		k := kmsg.Record{TimestampDelta64: r.Timestamp - baseTimestamp, OffsetDelta: int32(i), Key: r.Key, Value: r.Value}
		for _, h := range r.Headers {
			k.Headers = append(k.Headers, kmsg.Header{Key: h.Key, Value: h.Value})
		}
		k.Length = int32(len(k.AppendTo(nil)) - 1) // a length of 0 takes one byte
		batch.Records = k.AppendTo(batch.Records)
	}
	batch.Length = int32(len(batch.AppendTo(nil)) - 12)
	return seal(batch.AppendTo(nil))
}

// draw makes records with every shape of field, at offsets from base on.
func draw(t *rapid.T, base int64) (records []record) {
	bytesOrNil := rapid.Custom(func(t *rapid.T) []byte {
		if rapid.Bool().Draw(t, "null") {
			return nil
		}
		return rapid.SliceOfN(rapid.Byte(), 0, 200).Draw(t, "bytes")
	})
	for i := range rapid.IntRange(1, 20).Draw(t, "records") {
		r := record{
			Offset:    base + int64(i),
			Timestamp: rapid.OneOf(rapid.Int64Range(1_700_000_000_000, 1_700_000_010_000), rapid.Int64()).Draw(t, "timestamp"),
			Key:       bytesOrNil.Draw(t, "key"),
			Value:     bytesOrNil.Draw(t, "value"),
		}
		for range rapid.IntRange(0, 3).Draw(t, "headers") {
			r.Headers = append(r.Headers, header{rapid.StringN(0, 10, 100).Draw(t, "header"), bytesOrNil.Draw(t, "header value")})
		}
		records = append(records, r)
	}
	return records
}

func TestKmsgAgrees(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		base := rapid.Int64Range(0, 1<<62).Draw(t, "base offset")
		baseTimestamp := rapid.OneOf(rapid.Just(int64(1_700_000_000_000)), rapid.Int64()).Draw(t, "base timestamp")
		epoch := rapid.Int32().Draw(t, "epoch")
		want := draw(t, base)

		raw := build(base, baseTimestamp, epoch, want...)
		if diff := cmp.Diff(kmsgBatch(base, baseTimestamp, epoch, want), raw); diff != "" {
			t.Fatalf("the batch is not the one that kmsg writes (-kmsg +ours):\n%s", diff)
		}
		kb, got := kmsgRecords(t, raw)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Fatalf("kmsg reads other records (-want +kmsg):\n%s", diff)
		}
		if kb.ProducerID != -1 || kb.ProducerEpoch != -1 || kb.FirstSequence != -1 || kb.Attributes != 0 || kb.Magic != 2 {
			t.Fatalf("kmsg reads another header: %+v", kb)
		}

		batch, rest, err := recordbatch.Parse(raw)
		if err != nil || len(rest) != 0 {
			t.Fatalf("parse: %d bytes left, error %v", len(rest), err)
		}
		info := recordbatch.Info{
			BaseOffset: kb.FirstOffset, Length: 12 + int(kb.Length), LastOffsetDelta: int(kb.LastOffsetDelta), Count: int(kb.NumRecords),
			BaseTimestamp: kb.FirstTimestamp, MaxTimestamp: kb.MaxTimestamp, LeaderEpoch: kb.PartitionLeaderEpoch,
			ProducerID: kb.ProducerID, ProducerEpoch: kb.ProducerEpoch, BaseSequence: kb.FirstSequence,
		}
		if diff := cmp.Diff(info, batch.Info()); diff != "" {
			t.Fatalf("info (-kmsg +ours):\n%s", diff)
		}
		if diff := cmp.Diff(want, recordsOf(t, batch)); diff != "" {
			t.Fatalf("records (-want +got):\n%s", diff)
		}
	})
}
