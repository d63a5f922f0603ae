package recordbatch_test

import (
	"bytes"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/strandlog/strand/internal/recordbatch"
)

func TestStamp(t *testing.T) {
	for _, c := range append(codecs, recordbatch.None) {
		raw := buildWith(c, repetitive(30)...)
		before, _, err := recordbatch.Parse(bytes.Clone(raw))
		if err != nil {
			t.Fatal(err)
		}
		recordbatch.Stamp(raw, 7000, 9)
		after, _, err := recordbatch.Parse(raw)
		if err != nil {
			t.Fatalf("%v: %v", c, err)
		}
		want := before.Info()
		want.BaseOffset, want.LeaderEpoch = 7000, 9
		if diff := cmp.Diff(want, after.Info()); diff != "" {
			t.Errorf("%v: info (-want +got):\n%s", c, diff)
		}
		records := recordsOf(t, before)
		for i := range records {
			records[i].Offset += 7000 - 100
		}
		if diff := cmp.Diff(records, recordsOf(t, after)); diff != "" {
			t.Errorf("%v: records (-want +got):\n%s", c, diff)
		}
	}
}

func TestStampTime(t *testing.T) {
	for _, c := range append(codecs, recordbatch.None) {
		raw := buildWith(c, repetitive(30)...)
		before, _, err := recordbatch.Parse(bytes.Clone(raw))
		if err != nil {
			t.Fatal(err)
		}
		recordbatch.StampTime(raw, 123456)
		recordbatch.StampTime(raw, 123457) // the later one counts
		after, _, err := recordbatch.Parse(raw)
		if err != nil {
			t.Fatalf("%v: %v", c, err)
		}
		want := before.Info()
		want.MaxTimestamp, want.LogAppendTime = 123457, true
		if diff := cmp.Diff(want, after.Info()); diff != "" {
			t.Errorf("%v: info (-want +got):\n%s", c, diff)
		}
		records := recordsOf(t, before)
		for i := range records {
			records[i].Timestamp = 123457
		}
		if diff := cmp.Diff(records, recordsOf(t, after)); diff != "" {
			t.Errorf("%v: records (-want +got):\n%s", c, diff)
		}
	}
}

func TestStampProducer(t *testing.T) {
	for _, c := range append(codecs, recordbatch.None) {
		raw := buildWith(c, repetitive(30)...)
		recordbatch.StampProducer(raw, 1<<62, 9, 1<<30)
		var b recordbatch.Builder
		b.Reset(100, 5000, 7)
		b.SetProducer(1<<62, 9, 1<<30)
		b.SetCodec(c)
		for _, r := range repetitive(30) {
			b.Append(recordbatch.Entry{Timestamp: r.Timestamp, Key: r.Key, Value: r.Value, HeaderCount: len(r.Headers), Headers: encodeHeaders(r.Headers)})
		}
		if diff := cmp.Diff(b.AppendTo(nil), raw); diff != "" {
			t.Errorf("%v (-built +stamped):\n%s", c, diff)
		}
	}
}
