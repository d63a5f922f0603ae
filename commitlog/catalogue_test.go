package commitlog

import (
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"github.com/strandlog/strand/internal/wire"
)

// catalogueStep is the answer to one question; the last of a script repeats.
type catalogueStep struct {
	code wire.Code
	lost error
}

func script(b *scriptedBroker, subject string, steps ...catalogueStep) *[]wire.TopicRequest {
	var asked []wire.TopicRequest
	b.catalogue = func(s string, req wire.TopicRequest) (wire.TopicResponse, error) {
		if s != subject {
			return wire.TopicResponse{Topics: []wire.TopicInfo{b.topic}}, nil
		}
		step := steps[min(len(asked), len(steps)-1)]
		asked = append(asked, req)
		resp := wire.TopicResponse{Code: step.code, Detail: "because"}
		if step.code == wire.OK {
			resp.Topics = []wire.TopicInfo{b.topic}
		}
		return resp, step.lost
	}
	return &asked
}

func TestCreateTopic(t *testing.T) {
	plain := TopicConfig{Name: "events", Partitions: testPartitions}
	tests := []struct {
		name  string
		cfg   TopicConfig
		steps []catalogueStep
		want  error
	}{
		{"created", plain, []catalogueStep{{}}, nil},
		{"exists", plain, []catalogueStep{{code: wire.TopicExists}}, ErrTopicExists},
		{"not yet, then created", plain, []catalogueStep{{lost: errNobody}, {code: wire.NotLeader}, {}}, nil},
		{"not delivered, then exists", plain, []catalogueStep{{lost: errNobody}, {code: wire.TopicExists}}, ErrTopicExists},
		{"lost, then exists as asked for", plain, []catalogueStep{{lost: errLost}, {code: wire.TopicExists}}, nil},
		{"lost, then exists otherwise", TopicConfig{Name: "events", Partitions: 5}, []catalogueStep{{code: wire.Unknown}, {code: wire.TopicExists}}, ErrTopicExists},
		{"refused", plain, []catalogueStep{{code: wire.Invalid}}, ErrInvalid},
		{"fault", plain, []catalogueStep{{code: wire.Internal}}, ErrUnavailable},
		{"no broker", plain, []catalogueStep{{lost: errNobody}}, ErrUnavailable},
		{"bad name", TopicConfig{Name: "-events"}, nil, ErrInvalidName},
		{"many partitions", TopicConfig{Name: "events", Partitions: wire.PartitionsMax + 1}, nil, ErrInvalid},
		{"negative partitions", TopicConfig{Name: "events", Partitions: -1}, nil, ErrInvalid},
		{"more shards than partitions", TopicConfig{Name: "events", Partitions: 2, Shards: 3}, nil, ErrInvalid},
		{"unknown kind", TopicConfig{Name: "events", Kind: "queue"}, nil, ErrInvalid},
		{"versioned with an age", TopicConfig{Name: "events", RetentionAge: time.Hour}, nil, ErrInvalid},
		{"table with a size", TopicConfig{Name: "events", Kind: Table, RetentionBytes: 1}, nil, ErrInvalid},
		{"table with the producer's time", TopicConfig{Name: "events", Kind: Table, ProducerTime: true}, nil, ErrInvalid},
		{"negative age", TopicConfig{Name: "events", Kind: Plain, RetentionAge: -1}, nil, ErrInvalid},
		{"age of less than a millisecond", TopicConfig{Name: "events", Kind: Plain, RetentionAge: time.Microsecond}, nil, ErrInvalid},
		{"negative size", TopicConfig{Name: "events", Kind: Plain, RetentionBytes: -1}, nil, ErrInvalid},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newBroker(1)
				asked := script(b, wire.SubjectTopicCreate, tt.steps...)
				c, want := b.connect(t, Config{})
				got, err := c.CreateTopic(t.Context(), tt.cfg)
				if !errors.Is(err, tt.want) {
					t.Fatalf("got %v, want %v", err, tt.want)
				}
				if err != nil {
					return
				}
				if diff := cmp.Diff(want, got); diff != "" {
					t.Errorf("topic differs (-want +got):\n%s", diff)
				}
				if diff := cmp.Diff(&wire.TopicSpec{Name: "events", Kind: "versioned", Partitions: testPartitions}, (*asked)[0].Spec); diff != "" {
					t.Errorf("spec differs (-want +got):\n%s", diff)
				}
			})
		})
	}
}

func TestCreatePlainTopic(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newPlainBroker(1)
		b.topic.Retention, b.topic.ProducerTime = wire.Retention{AgeMS: 3600_000, Bytes: 1 << 30}, true
		asked := script(b, wire.SubjectTopicCreate, catalogueStep{code: wire.Unknown}, catalogueStep{code: wire.TopicExists})
		c, _ := b.connect(t, Config{})
		cfg := TopicConfig{Name: "events", Kind: Plain, Partitions: testPartitions, RetentionAge: time.Hour, RetentionBytes: 1 << 30, ProducerTime: true}
		got, err := c.CreateTopic(t.Context(), cfg)
		if err != nil || got.Kind != Plain || got.RetentionAge != time.Hour || got.RetentionBytes != 1<<30 || !got.ProducerTime {
			t.Errorf("got %+v, %v", got, err)
		}
		want := b.topic.TopicSpec
		want.Shards = 0 // left to the broker
		if diff := cmp.Diff(&want, (*asked)[0].Spec); diff != "" {
			t.Errorf("spec differs (-want +got):\n%s", diff)
		}
		cfg.RetentionBytes++
		if _, err := c.CreateTopic(t.Context(), cfg); !errors.Is(err, ErrTopicExists) {
			t.Errorf("another retention: got %v", err)
		}
	})
}

func TestTopicDefaults(t *testing.T) {
	cfg, err := TopicConfig{Name: "events"}.check()
	if diff := cmp.Diff(TopicConfig{Name: "events", Kind: Versioned, Partitions: 8}, cfg); diff != "" || err != nil {
		t.Errorf("%v; defaults differ (-want +got):\n%s", err, diff)
	}
}

func TestTopicDescribesItsPartitions(t *testing.T) {
	b := newBroker(2)
	b.topic.LogID = uuid.Max
	b.topic.Shard[0].Node = "node-1"
	b.topic.Shard[1].State, b.topic.Shard[1].Detail = wire.ShardRebuilding, "because"
	b.topic.Shard[1].Partitions[0] = wire.PartitionInfo{Partition: 1, Start: 3, HighWatermark: 9}
	b.topic.Shard[1].Partitions = append(b.topic.Shard[1].Partitions, wire.PartitionInfo{Partition: 99}, wire.PartitionInfo{Partition: -1})
	c, _ := b.connect(t, Config{})
	got, err := c.Topic(t.Context(), "events")
	if err != nil {
		t.Fatal(err)
	}
	want := Topic{
		Name: "events", Kind: Versioned, ID: b.topic.ID, LogID: uuid.Max, Shards: 2, Created: time.UnixMilli(0).UTC(),
		Partitions: []PartitionInfo{
			{Epoch: testEpoch, Leader: "node-1", State: Serving}, {Start: 3, End: 9, Epoch: testEpoch, State: "rebuilding", Detail: "because"},
			{Epoch: testEpoch, Leader: "node-1", State: Serving}, {Epoch: testEpoch, State: "rebuilding", Detail: "because"},
		},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("topic differs (-want +got):\n%s", diff)
	}
	all, err := c.Topics(t.Context())
	if diff := cmp.Diff([]Topic{want}, all); diff != "" || err != nil {
		t.Errorf("%v; topics differ (-want +got):\n%s", err, diff)
	}
}

func TestTopicErrors(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBroker(1)
		c, _ := b.connect(t, Config{ReadTimeout: time.Second})
		script(b, wire.SubjectTopicDescribe, catalogueStep{code: wire.UnknownTopic})
		if _, err := c.Topic(t.Context(), "events"); !errors.Is(err, ErrUnknownTopic) || !strings.Contains(err.Error(), `"events"`) {
			t.Errorf("got %v, want ErrUnknownTopic", err)
		}
		if _, err := c.Topic(t.Context(), "no spaces"); !errors.Is(err, ErrInvalidName) {
			t.Errorf("got %v, want ErrInvalidName", err)
		}
		script(b, wire.SubjectTopicDescribe, catalogueStep{lost: errLost})
		begin := time.Now()
		_, err := c.Topic(t.Context(), "events")
		if unavailable, ok := errors.AsType[*UnavailableError](err); !ok || unavailable.URL != b.url() || time.Since(begin) != time.Second {
			t.Errorf("got %v after %v, want an UnavailableError with the URL", err, time.Since(begin))
		}
		for _, bad := range []wire.TopicSpec{{Partitions: 0, Shards: 1}, {Partitions: 2000, Shards: 1}, {Partitions: 2, Shards: 3}, {Partitions: 2}} {
			b.topic.TopicSpec = bad
			b.catalogue = nil
			if _, err := c.Topic(t.Context(), "events"); !errors.Is(err, ErrCorrupt) {
				t.Errorf("%+v: got %v, want ErrCorrupt", bad, err)
			}
		}
		b.catalogue = func(string, wire.TopicRequest) (wire.TopicResponse, error) { return wire.TopicResponse{}, nil }
		if _, err := c.Topic(t.Context(), "events"); !errors.Is(err, ErrCorrupt) {
			t.Errorf("no topic in the answer: got %v, want ErrCorrupt", err)
		}
	})
}

func TestAlterTopic(t *testing.T) {
	hour := TopicChange{RetentionAge: new(time.Hour)}
	tests := []struct {
		name   string
		change TopicChange
		steps  []catalogueStep
		want   error
		asked  *wire.TopicChange
	}{
		{"age", hour, []catalogueStep{{}}, nil, &wire.TopicChange{RetentionAgeMS: new(int64(3600_000))}},
		{"size, to none", TopicChange{RetentionBytes: new(int64(0))}, []catalogueStep{{}}, nil, &wire.TopicChange{RetentionBytes: new(int64(0))}},
		{"lost, and asked again", hour, []catalogueStep{{lost: errLost}, {code: wire.Unknown}, {}}, nil, &wire.TopicChange{RetentionAgeMS: new(int64(3600_000))}},
		{"unknown", hour, []catalogueStep{{code: wire.UnknownTopic}}, ErrUnknownTopic, nil},
		{"of a versioned topic", hour, []catalogueStep{{code: wire.Invalid}}, ErrInvalid, nil},
		{"on a disk that fails", hour, []catalogueStep{{code: wire.NoStorage}}, ErrNoStorage, nil},
		{"negative age", TopicChange{RetentionAge: new(time.Duration(-1))}, nil, ErrInvalid, nil},
		{"age of less than a millisecond", TopicChange{RetentionAge: new(time.Microsecond)}, nil, ErrInvalid, nil},
		{"negative size", TopicChange{RetentionBytes: new(int64(-1))}, nil, ErrInvalid, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newPlainBroker(1)
				asked := script(b, wire.SubjectTopicAlter, tt.steps...)
				c, topic := b.connect(t, Config{})
				got, err := c.AlterTopic(t.Context(), topic.ID, tt.change)
				if !errors.Is(err, tt.want) {
					t.Fatalf("got %v, want %v", err, tt.want)
				}
				if err != nil {
					return
				}
				if diff := cmp.Diff(topic, got); diff != "" {
					t.Errorf("topic differs (-want +got):\n%s", diff)
				}
				last := (*asked)[len(*asked)-1]
				if diff := cmp.Diff(wire.TopicRequest{ID: topic.ID, Change: tt.asked}, last); diff != "" {
					t.Errorf("request differs (-want +got):\n%s", diff)
				}
			})
		})
	}
}

func TestDeleteTopic(t *testing.T) {
	tests := []struct {
		name  string
		steps []catalogueStep
		want  error
	}{
		{"deleted", []catalogueStep{{}}, nil},
		{"unknown", []catalogueStep{{code: wire.UnknownTopic}}, ErrUnknownTopic},
		{"not delivered, then unknown", []catalogueStep{{lost: errNobody}, {code: wire.UnknownTopic}}, ErrUnknownTopic},
		{"lost, then unknown", []catalogueStep{{lost: errLost}, {code: wire.UnknownTopic}}, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newBroker(1)
				asked := script(b, wire.SubjectTopicDelete, tt.steps...)
				c, topic := b.connect(t, Config{})
				if err := c.DeleteTopic(t.Context(), topic.ID); !errors.Is(err, tt.want) {
					t.Errorf("got %v, want %v", err, tt.want)
				}
				if (*asked)[0].ID != topic.ID {
					t.Errorf("asked for %v", (*asked)[0].ID)
				}
			})
		})
	}
}

func TestCheckNames(t *testing.T) {
	tests := []struct {
		name          string
		stream, topic bool
	}{
		{"", false, false},
		{"events", true, true},
		{"account-alice", true, true},
		{"2026.events_v1-x", true, true},
		{".events", true, false},
		{"_events", true, false},
		{"événements", true, false},
		{"order-{c42}-7", true, false},
		{"a b", true, false},
		{"a\tb", false, false},
		{"a\u0085b", false, false},
		{"a\xff", false, false},
		{strings.Repeat("x", 100), true, true},
		{strings.Repeat("x", 101), true, false},
		{strings.Repeat("x", 255), true, false},
		{strings.Repeat("ä", 128), false, false},
	}
	for _, tt := range tests {
		if err := CheckStream(tt.name); (err == nil) != tt.stream || err != nil && !errors.Is(err, ErrInvalidName) {
			t.Errorf("stream %q: %v", tt.name, err)
		}
		if err := CheckTopic(tt.name); (err == nil) != tt.topic || err != nil && !errors.Is(err, ErrInvalidName) {
			t.Errorf("topic %q: %v", tt.name, err)
		}
		if err := CheckGroup(tt.name); (err == nil) != (tt.topic || tt.name == strings.Repeat("x", 101)) || err != nil && !errors.Is(err, ErrInvalidName) {
			t.Errorf("group %q: %v", tt.name, err)
		}
	}
}

// TestStartingNode has the client be connected to a node that does not serve yet: another one answers.
func TestStartingNode(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBroker(1)
		b.starting = true
		c, want := b.connect(t, Config{})
		began := time.Now()
		if got, err := c.Topic(t.Context(), want.Name); err != nil || got.ID != want.ID || time.Since(began) > 0 {
			t.Errorf("after %v: %+v, %v", time.Since(began), got, err)
		}
	})
}
