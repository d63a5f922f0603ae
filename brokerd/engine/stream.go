package engine

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/nats-io/nats-server/v2/server"
)

// Stream describes one engine stream: the log of one shard.
type Stream struct {
	// Name has letters, digits, dashes and underscores: it is part of subjects and a directory.
	Name string

	// Versioned logs are never purged: the engine itself refuses.
	Versioned bool

	// Replicas is the number of copies, on as many engines: 1, 3 or 5. Zero means 1.
	Replicas int

	// Metadata says whose log it is. It is compared when the stream is opened, so that a log is never taken for another.
	Metadata map[string]string
}

// StreamInfo is what an engine stream held when it was asked.
type StreamInfo struct {
	Stream   string
	Created  time.Time
	FirstSeq uint64 // of the oldest message; LastSeq+1 when there is none
	LastSeq  uint64 // 0 = never written
	Metadata map[string]string
}

const (
	subjectPrefix = "log."
	nameBytesMax  = 200
)

func checkName(name string) error {
	valid := name != "" && len(name) <= nameBytesMax
	for _, c := range []byte(name) {
		valid = valid && ('a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || c == '-' || c == '_')
	}
	if !valid {
		return &NameError{Name: name}
	}
	return nil
}

func subjectOf(stream string) string { return subjectPrefix + stream }

// config is the one configuration that a log may have. Every limit is off, because the engine would drop messages by itself.
func (e *Engine) configOf(s *Stream) server.StreamConfig {
	return server.StreamConfig{
		Name:         s.Name,
		Subjects:     []string{subjectOf(s.Name)},
		Retention:    server.LimitsPolicy,
		Discard:      server.DiscardNew,
		Storage:      server.FileStorage,
		Compression:  server.NoCompression,
		Replicas:     max(s.Replicas, 1),
		MaxConsumers: -1,
		MaxMsgs:      -1,
		MaxBytes:     -1,
		MaxMsgsPer:   -1,
		MaxMsgSize:   -1,
		Duplicates:   100 * time.Millisecond, // the engine's minimum: ids are never set, sequences are what is checked
		DenyDelete:   true,
		DenyPurge:    s.Versioned,
		Metadata:     s.Metadata,
		AllowDirect:  e.cfg.Cluster != nil, // replicas are followed by it; clients have no right to it
	}
}

// CreateStream creates the engine stream s. It is idempotent: a stream that exists exactly so is a success,
// one that differs is a *[ConfigError].
func (e *Engine) CreateStream(ctx context.Context, s Stream) error {
	if err := checkName(s.Name); err != nil {
		return err
	}
	want := e.configOf(&s)
	var a streamAnswer
	err := e.call(ctx, "$JS.API.STREAM.CREATE."+s.Name, &want, &a)
	if refused(err, server.JSStreamNameExistErr) {
		_, err = e.OpenStream(ctx, s)
		return err
	}
	if err != nil {
		return fmt.Errorf("creating engine stream %s: %w", s.Name, err)
	}
	if err := check(s.Name, &want, &a.Config); err != nil {
		return err
	}
	if e.cfg.UnsafeNoSync || !e.Hosts(s.Name) {
		return nil
	}
	return e.syncDirs(s.Name)
}

// syncDirs makes a new stream's directories durable. The engine syncs the files in them, and only the lowest directory.
func (e *Engine) syncDirs(stream string) error {
	path := e.cfg.Dir
	for _, name := range []string{".", server.JetStreamStoreDir, logAccount, "streams", stream, "msgs"} {
		path = filepath.Join(path, name)
		if err := syncDir(path); err != nil {
			return fmt.Errorf("creating engine stream %s: %w", stream, err)
		}
	}
	return nil
}

func syncDir(path string) error {
	dir, err := os.Open(path)
	if err != nil {
		return err
	}
	err = dir.Sync()
	return errors.Join(err, dir.Close())
}

// OpenStream answers what the engine stream s holds. It refuses with a *[ConfigError] a stream that is configured in any other
// way, and with an *[UnknownStreamError] one that does not exist.
func (e *Engine) OpenStream(ctx context.Context, s Stream) (StreamInfo, error) {
	a, err := e.stream(ctx, s.Name)
	if err != nil {
		return StreamInfo{}, err
	}
	want := e.configOf(&s)
	if err := check(s.Name, &want, &a.Config); err != nil {
		return StreamInfo{}, err
	}
	return a.info(), nil
}

// Lookup answers what a stream is and holds, whatever its settings. One that does not exist is an *[UnknownStreamError].
func (e *Engine) Lookup(ctx context.Context, stream string) (StreamInfo, error) {
	a, err := e.stream(ctx, stream)
	if err != nil {
		return StreamInfo{}, err
	}
	return a.info(), nil
}

// Bounds are the sequences of the oldest and the newest message. Of a stream without messages the first is the one after the last;
// the last is 0 when there never was one.
func (e *Engine) Bounds(ctx context.Context, stream string) (first, last uint64, err error) {
	a, err := e.stream(ctx, stream)
	if err != nil {
		return 0, 0, err
	}
	info := a.info()
	return info.FirstSeq, info.LastSeq, nil
}

// Purge removes the messages before a sequence, for good. The engine itself refuses it on versioned logs.
func (e *Engine) Purge(ctx context.Context, stream string, before uint64) error {
	if err := checkName(stream); err != nil {
		return err
	}
	if before <= 1 {
		return nil // to the engine 0 would mean everything
	}
	if _, err := e.leaps.check(stream, before, before); err != nil {
		return fmt.Errorf("purging engine stream %s before sequence %d: %w", stream, before, err)
	}
	var a plainAnswer
	err := e.call(ctx, "$JS.API.STREAM.PURGE."+stream, &server.JSApiStreamPurgeRequest{Sequence: before}, &a)
	if refused(err, server.JSStreamNotFoundErr) {
		return &UnknownStreamError{Stream: stream}
	}
	if err != nil {
		return fmt.Errorf("purging engine stream %s before sequence %d: %w", stream, before, err)
	}
	return nil
}

// Streams are the names of all engine streams, sorted.
func (e *Engine) Streams(ctx context.Context) ([]string, error) {
	var names []string
	for {
		var a namesAnswer
		if err := e.call(ctx, "$JS.API.STREAM.NAMES", &server.JSApiStreamNamesRequest{ApiPagedRequest: server.ApiPagedRequest{Offset: len(names)}}, &a); err != nil {
			return nil, fmt.Errorf("listing engine streams: %w", err)
		}
		names = append(names, a.Streams...)
		if len(names) >= a.Total || len(a.Streams) == 0 {
			slices.Sort(names)
			return names, nil
		}
	}
}

// DeleteStream removes an engine stream and its data. A stream that does not exist is an *[UnknownStreamError].
func (e *Engine) DeleteStream(ctx context.Context, stream string) error {
	if err := checkName(stream); err != nil {
		return err
	}
	var a plainAnswer
	err := e.call(ctx, "$JS.API.STREAM.DELETE."+stream, nil, &a)
	if refused(err, server.JSStreamNotFoundErr) {
		return &UnknownStreamError{Stream: stream}
	}
	if err != nil {
		return fmt.Errorf("deleting engine stream %s: %w", stream, err)
	}
	e.leaps.forget(stream)
	return nil
}

func (e *Engine) stream(ctx context.Context, name string) (*streamAnswer, error) {
	if err := checkName(name); err != nil {
		return nil, err
	}
	var a streamAnswer
	err := e.ask(ctx, "$JS.API.STREAM.INFO."+name, nil, &a)
	if refused(err, server.JSStreamNotFoundErr) {
		return nil, e.unknown(name)
	}
	if err != nil {
		return nil, fmt.Errorf("asking for engine stream %s: %w", name, err)
	}
	return &a, nil
}

func (a *streamAnswer) info() StreamInfo {
	first := a.State.FirstSeq
	if a.State.Msgs == 0 {
		first = a.State.LastSeq + 1
	}
	return StreamInfo{
		Stream:   a.Config.Name,
		Created:  a.Created,
		FirstSeq: first,
		LastSeq:  a.State.LastSeq,
		Metadata: ownMetadata(a.Config.Metadata),
	}
}

// check compares every field, also those that this package does not know of: an engine that learns a new setting
// must not be able to weaken a log unseen.
func check(stream string, want, got *server.StreamConfig) error {
	w, g := *want, *got
	w.Metadata, g.Metadata = nil, nil
	wv, gv := reflect.ValueOf(w), reflect.ValueOf(g)
	for i := range wv.NumField() {
		if !reflect.DeepEqual(wv.Field(i).Interface(), gv.Field(i).Interface()) {
			field, _, _ := strings.Cut(wv.Type().Field(i).Tag.Get("json"), ",")
			return &ConfigError{Stream: stream, Field: field, Want: text(wv.Field(i).Interface()), Got: text(gv.Field(i).Interface())}
		}
	}
	return checkMetadata(stream, want.Metadata, ownMetadata(got.Metadata))
}

func checkMetadata(stream string, want, got map[string]string) error {
	keys := slices.Sorted(maps.Keys(want))
	for key := range got {
		if _, ok := want[key]; !ok {
			keys = append(keys, key)
		}
	}
	for _, key := range keys {
		w, wanted := want[key]
		g, found := got[key]
		if w != g || wanted != found {
			return &ConfigError{Stream: stream, Field: "metadata." + key, Want: metadataText(w, wanted), Got: metadataText(g, found)}
		}
	}
	return nil
}

func metadataText(value string, ok bool) string {
	if !ok {
		return "absent"
	}
	return fmt.Sprintf("%q", value)
}

// ownMetadata leaves out what the engine itself notes there.
func ownMetadata(m map[string]string) map[string]string {
	own := maps.Clone(m)
	maps.DeleteFunc(own, func(key, _ string) bool { return strings.HasPrefix(key, "_nats.") })
	return own
}

// text shows a setting as the engine's API writes it.
func text(v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		return fmt.Sprint(v)
	}
	return string(b)
}
