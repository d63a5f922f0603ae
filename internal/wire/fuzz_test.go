package wire

import (
	"bytes"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
)

// fuzzMessage holds for every payload: it is refused, or it is exactly what encoding its content gives.
func fuzzMessage(f *testing.F, zero message) {
	for _, m := range samples() {
		if cmp.Equal(fresh(m), zero) {
			f.Add(m.AppendTo(nil))
		}
	}
	f.Add([]byte{1})
	used := fresh(zero)
	f.Fuzz(func(t *testing.T, b []byte) {
		m := fresh(zero)
		err := m.Decode(b)
		if again := used.Decode(b); (again == nil) != (err == nil) {
			t.Fatalf("a fresh message: %v, a used one: %v", err, again)
		}
		if err != nil {
			return
		}
		if got := m.AppendTo(nil); !bytes.Equal(got, b) {
			t.Fatalf("% x is encoded as % x", b, got)
		}
		if diff := equal(m, used); diff != "" {
			t.Fatalf("a used message differs (-fresh +used):\n%s", diff)
		}
	})
}

func FuzzAppendRequest(f *testing.F)  { fuzzMessage(f, new(AppendRequest)) }
func FuzzAppendResponse(f *testing.F) { fuzzMessage(f, new(AppendResponse)) }
func FuzzFetchRequest(f *testing.F)   { fuzzMessage(f, new(FetchRequest)) }
func FuzzFetchResponse(f *testing.F)  { fuzzMessage(f, new(FetchResponse)) }
func FuzzStreamRequest(f *testing.F)  { fuzzMessage(f, new(StreamRequest)) }
func FuzzFramesRequest(f *testing.F)  { fuzzMessage(f, new(FramesRequest)) }
func FuzzFramesResponse(f *testing.F) { fuzzMessage(f, new(FramesResponse)) }
func FuzzStreamResponse(f *testing.F) { fuzzMessage(f, new(StreamResponse)) }

func FuzzProduceRequest(f *testing.F)       { fuzzMessage(f, new(ProduceRequest)) }
func FuzzProduceResponse(f *testing.F)      { fuzzMessage(f, new(ProduceResponse)) }
func FuzzGetRequest(f *testing.F)           { fuzzMessage(f, new(GetRequest)) }
func FuzzGetResponse(f *testing.F)          { fuzzMessage(f, new(GetResponse)) }
func FuzzDeleteBeforeRequest(f *testing.F)  { fuzzMessage(f, new(DeleteBeforeRequest)) }
func FuzzDeleteBeforeResponse(f *testing.F) { fuzzMessage(f, new(DeleteBeforeResponse)) }

func topicSamples() (TopicRequest, TopicResponse) {
	id := uuid.MustParse("0190b5a4-7c7e-7000-8000-0123456789ab")
	spec := TopicSpec{Name: "clicks", Kind: KindPlain, Partitions: 2, Shards: 1, Retention: Retention{AgeMS: 1 << 40, Bytes: 1}, ProducerTime: true}
	change := TopicChange{RetentionAgeMS: new(int64(1 << 40)), RetentionBytes: new(int64(0))}
	return TopicRequest{Spec: &spec, Change: &change, Name: "clicks", ID: id}, TopicResponse{Code: TopicExists, Detail: "it exists", Topics: []TopicInfo{{
		TopicSpec: spec, ID: id, LogID: id, State: "ready", Created: time.UnixMilli(1750000000000).UTC(),
		Shard: []ShardInfo{{State: ShardServing, Epoch: 3, Session: 1<<64 - 1, Partitions: []PartitionInfo{{Partition: 1, HighWatermark: 9}}}},
	}}}
}

func TestTopicMessagesSurviveTheWire(t *testing.T) {
	request, response := topicSamples()
	b, err := request.AppendTo(nil)
	if err != nil {
		t.Fatal(err)
	}
	gotRequest := TopicRequest{Name: "an earlier one"}
	if err := gotRequest.Decode(b); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(request, gotRequest); diff != "" {
		t.Errorf("request differs (-sent +got):\n%s", diff)
	}
	if b, err = response.AppendTo(nil); err != nil {
		t.Fatal(err)
	}
	var gotResponse TopicResponse
	if err := gotResponse.Decode(b); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(response, gotResponse); diff != "" {
		t.Errorf("response differs (-sent +got):\n%s", diff)
	}
	for _, bad := range [][]byte{nil, []byte("{"), []byte(`{} x`), []byte(`{"name":1}`), bytes.Repeat([]byte(" "), TopicRequestBytesMax+1)} {
		if err := gotRequest.Decode(bad); err == nil {
			t.Errorf("%.20q was accepted", bad)
		}
	}
}

func FuzzTopicRequest(f *testing.F) {
	request, _ := topicSamples()
	b, _ := request.AppendTo(nil)
	f.Add(b)
	f.Fuzz(func(t *testing.T, b []byte) {
		var m, again TopicRequest
		if m.Decode(b) != nil {
			return
		}
		encoded, err := m.AppendTo(nil)
		if err != nil {
			t.Fatal(err)
		}
		if len(encoded) > TopicRequestBytesMax {
			return // JSON may grow: it escapes
		}
		if err := again.Decode(encoded); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(m, again); diff != "" {
			t.Fatalf("it changed (-first +again):\n%s", diff)
		}
	})
}

func FuzzTopicResponse(f *testing.F) {
	_, response := topicSamples()
	b, _ := response.AppendTo(nil)
	f.Add(b)
	f.Fuzz(func(t *testing.T, b []byte) {
		var m, again TopicResponse
		if m.Decode(b) != nil {
			return
		}
		encoded, err := m.AppendTo(nil)
		if err != nil {
			return // a time that JSON cannot say
		}
		if err := again.Decode(encoded); err != nil {
			t.Fatal(err)
		}
		if len(m.Topics) != len(again.Topics) || m.Code != again.Code || m.Detail != again.Detail {
			t.Fatalf("%+v became %+v", m, again)
		}
	})
}
