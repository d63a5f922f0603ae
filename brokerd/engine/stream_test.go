package engine_test

import (
	"encoding/json"
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/nats-io/nats.go"

	"github.com/strandlog/strand/brokerd/engine"
)

func TestCreateStreamIsIdempotent(t *testing.T) {
	e := start(t, engine.Config{})
	create(t, e, stream("a"))
	newSession(t, e, "a").fill(1, 2, []byte("frame"))
	create(t, e, stream("a"))
	if _, last, err := e.Bounds(t.Context(), "a"); err != nil || last != 2 {
		t.Errorf("last sequence %d, %v", last, err)
	}
}

func TestCreateStreamRefusesAnother(t *testing.T) {
	e := start(t, engine.Config{})
	create(t, e, stream("a"))
	other := stream("a")
	other.Metadata = map[string]string{"log": "0190"}
	err := e.CreateStream(t.Context(), other)
	config, ok := errors.AsType[*engine.ConfigError](err)
	if !ok || !errors.Is(err, engine.ErrConfig) {
		t.Fatalf("CreateStream = %v", err)
	}
	want := &engine.ConfigError{Stream: "a", Field: "metadata.log", Want: `"0190"`, Got: `"018f"`}
	if diff := cmp.Diff(want, config); diff != "" {
		t.Error(diff)
	}
}

func TestCreateStreamRefusesABadName(t *testing.T) {
	e := start(t, engine.Config{})
	for _, name := range []string{"", "a.b", "a b", "a*", "a>", "a/b", `a\b`, "..", "a\x00"} {
		if err := e.CreateStream(t.Context(), engine.Stream{Name: name}); !errors.Is(err, engine.ErrInvalidName) {
			t.Errorf("CreateStream(%q) = %v", name, err)
		}
		if _, _, err := e.Bounds(t.Context(), name); !errors.Is(err, engine.ErrInvalidName) {
			t.Errorf("Bounds(%q) = %v", name, err)
		}
	}
}

func TestOpenStreamOfANewStream(t *testing.T) {
	e := start(t, engine.Config{})
	create(t, e, stream("a"))
	info, err := e.OpenStream(t.Context(), stream("a"))
	if err != nil {
		t.Fatal(err)
	}
	if info.Stream != "a" || info.FirstSeq != 1 || info.LastSeq != 0 {
		t.Errorf("OpenStream = %+v", info)
	}
	if diff := cmp.Diff(map[string]string{"log": "018f"}, info.Metadata); diff != "" {
		t.Error(diff)
	}
}

// TestOpenStreamRefusesWhatWasChanged plays someone who edits the stream behind the node's back.
func TestOpenStreamRefusesWhatWasChanged(t *testing.T) {
	for _, tc := range []struct {
		field  string
		value  any
		config string // the field that the error names, when another
	}{
		{field: "subjects", value: []string{"log.a", "other"}},
		{field: "max_msgs", value: 10},
		{field: "max_bytes", value: 1 << 20},
		{field: "max_age", value: 1e12},
		{field: "max_msgs_per_subject", value: 5},
		{field: "max_msg_size", value: 4096},
		{field: "max_consumers", value: 7},
		{field: "discard", value: "old"},
		{field: "retention", value: "interest"},
		{field: "storage", value: "memory"},
		{field: "compression", value: "s2"},
		{field: "deny_delete", value: false},
		{field: "deny_purge", value: false},
		{field: "allow_direct", value: true},
		{field: "allow_msg_ttl", value: true},
		{field: "allow_atomic", value: true},
		{field: "allow_batched", value: true},
		{field: "duplicate_window", value: 60e9},
		{field: "description", value: "mine"},
		{field: "no_ack", value: true},
		{field: "republish", value: map[string]string{"src": "log.a", "dest": "copy.a"}},
		{field: "metadata", value: map[string]string{"log": "0190"}, config: "metadata.log"},
		{field: "metadata", value: map[string]string{"log": "018f", "more": "x"}, config: "metadata.more"},
		{field: "metadata", value: nil, config: "metadata.log"},
	} {
		t.Run(tc.field, func(t *testing.T) {
			e := start(t, engine.Config{UnsafeNoSync: true})
			config := tampered(t, tc.field, tc.value)
			nc := logConn(t, e)
			request(t, nc, "$JS.API.STREAM.CREATE.a", config)

			_, err := e.OpenStream(t.Context(), stream("a"))
			got, ok := errors.AsType[*engine.ConfigError](err)
			if !ok {
				t.Fatalf("OpenStream = %v", err)
			}
			if tc.config == "" {
				tc.config = tc.field
			}
			if got.Stream != "a" || got.Field != tc.config || got.Want == got.Got {
				t.Errorf("OpenStream = %+v, want field %s", got, tc.config)
			}
			contains(t, err, tc.config)
		})
	}
}

// tampered is the configuration of a log with one setting changed.
func tampered(t *testing.T, field string, value any) []byte {
	t.Helper()
	config := map[string]any{
		"name": "a", "subjects": []string{"log.a"}, "retention": "limits", "discard": "new", "storage": "file", "num_replicas": 1,
		"duplicate_window": 100e6, "deny_delete": true, "deny_purge": true, "metadata": map[string]string{"log": "018f"},
	}
	config[field] = value
	body, err := json.Marshal(config)
	if err != nil {
		t.Fatal(err)
	}
	return body
}

// request sends a raw API request and fails the test when it is refused.
func request(t testing.TB, nc *nats.Conn, subject string, body []byte) {
	t.Helper()
	msg, err := nc.RequestWithContext(t.Context(), subject, body)
	if err != nil {
		t.Fatal(err)
	}
	var answer struct {
		Error *struct{ Description string }
	}
	if err := json.Unmarshal(msg.Data, &answer); err != nil {
		t.Fatal(err)
	}
	if answer.Error != nil {
		t.Fatalf("%s: %s", subject, answer.Error.Description)
	}
}

func TestOpenStreamOfThePlainKind(t *testing.T) {
	e := start(t, engine.Config{})
	create(t, e, engine.Stream{Name: "a"})
	if _, err := e.OpenStream(t.Context(), engine.Stream{Name: "a"}); err != nil {
		t.Error(err)
	}
	_, err := e.OpenStream(t.Context(), engine.Stream{Name: "a", Versioned: true})
	if got, ok := errors.AsType[*engine.ConfigError](err); !ok || got.Field != "deny_purge" {
		t.Errorf("OpenStream = %v", err)
	}
}

func TestUnknownStream(t *testing.T) {
	e := start(t, engine.Config{})
	check := func(call string, err error) {
		t.Helper()
		unknown, ok := errors.AsType[*engine.UnknownStreamError](err)
		if !ok || unknown.Stream != "a" || !errors.Is(err, engine.ErrUnknownStream) {
			t.Errorf("%s = %v", call, err)
		}
	}
	_, err := e.OpenStream(t.Context(), stream("a"))
	check("OpenStream", err)
	_, _, err = e.Bounds(t.Context(), "a")
	check("LastSeq", err)
	_, err = e.ReadOne(t.Context(), "a", 1)
	check("ReadOne", err)
	check("DeleteStream", e.DeleteStream(t.Context(), "a"))
	for _, err := range e.Read(t.Context(), "a", 1, 1) {
		check("Read", err)
	}
}

func TestDeleteStream(t *testing.T) {
	e := start(t, engine.Config{})
	create(t, e, stream("a"))
	newSession(t, e, "a").fill(1, 3, []byte("frame"))
	if err := e.DeleteStream(t.Context(), "a"); err != nil {
		t.Fatal(err)
	}
	if _, err := e.OpenStream(t.Context(), stream("a")); !errors.Is(err, engine.ErrUnknownStream) {
		t.Errorf("OpenStream = %v", err)
	}
}

func TestStreams(t *testing.T) {
	e := start(t, engine.Config{})
	for _, name := range []string{"c", "a", "b"} {
		create(t, e, stream(name))
	}
	want := []string{"a", "b", "c"}
	got, err := e.Streams(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestTheEngineItselfRefusesToForget(t *testing.T) {
	e := start(t, engine.Config{})
	create(t, e, stream("a"))
	newSession(t, e, "a").fill(1, 3, []byte("frame"))
	nc := logConn(t, e)
	for subject, body := range map[string]string{
		"$JS.API.STREAM.PURGE.a":      ``,
		"$JS.API.STREAM.MSG.DELETE.a": `{"seq":2}`,
	} {
		msg, err := nc.RequestWithContext(t.Context(), subject, []byte(body))
		if err != nil {
			t.Fatal(err)
		}
		var answer struct{ Success bool }
		if err := json.Unmarshal(msg.Data, &answer); err != nil || answer.Success {
			t.Errorf("%s: %s, %v", subject, msg.Data, err)
		}
	}
	info, err := e.OpenStream(t.Context(), stream("a"))
	if err != nil || info.FirstSeq != 1 || info.LastSeq != 3 {
		t.Errorf("OpenStream = %+v, %v", info, err)
	}
}

func TestIsLeader(t *testing.T) {
	e := start(t, engine.Config{})
	create(t, e, stream("a"))
	if !e.IsLeader("a") {
		t.Error("an engine alone does not lead")
	}
	stop(t, e)
	if e.IsLeader("a") {
		t.Error("a closed engine leads")
	}
}
