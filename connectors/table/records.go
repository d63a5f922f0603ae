package table

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"

	"github.com/google/uuid"
	"github.com/strandlog/strand/commitlog"
	"github.com/strandlog/strand/internal/wire"
	"github.com/strandlog/strand/projections"
)

// The keys of a topic: one record says what the projection is, one for each partition how far it is, and one holds each row. A reset begins another generation
// of rows.
const (
	projectionKey    = "projection"
	checkpointPrefix = "checkpoint/"
	rowPrefix        = "row/"
	parkedPrefix     = "parked/"
)

func checkpointKey(partition int32) []byte {
	return []byte(checkpointPrefix + strconv.Itoa(int(partition)))
}
func parkedKey(partition int32) []byte { return []byte(parkedPrefix + strconv.Itoa(int(partition))) }

// keyBytesMax is what the key of a row may have.
const keyBytesMax = 200

func rowKey(generation int, key string) []byte {
	return []byte(rowPrefix + strconv.Itoa(generation) + "/" + key)
}

// rowOf is the key of a row of a generation.
func rowOf(generation int, key []byte) (string, bool) {
	return strings.CutPrefix(string(key), rowPrefix+strconv.Itoa(generation)+"/")
}

// generationOf is that of a row.
func generationOf(key []byte) (generation int, ok bool) {
	rest, ok := strings.CutPrefix(string(key), rowPrefix)
	if !ok {
		return 0, false
	}
	number, _, ok := strings.Cut(rest, "/")
	generation, err := strconv.Atoi(number)
	return generation, ok && err == nil
}

// projection is what a topic is about.
type projection struct {
	Topic      string    `json:"topic,omitempty"` // that is projected; empty: no worker has claimed a partition yet
	TopicID    uuid.UUID `json:"topicId,omitzero"`
	LogID      uuid.UUID `json:"logId,omitzero"`
	SetUp      bool      `json:"setUp,omitempty"`
	Paused     bool      `json:"paused,omitempty"`     // so are the checkpoints, and those of partitions that are claimed for the first time
	Generation int       `json:"generation"`           // of the rows
	Partitions []int32   `json:"partitions,omitempty"` // that have a checkpoint
}

func (p projection) source() projections.Source {
	return projections.Source{Topic: p.Topic, TopicID: p.TopicID, LogID: p.LogID}
}

// checkpoint is how far a partition is, and who may go on with it.
type checkpoint struct {
	Epoch    uint64    `json:"epoch"`
	Lane     uint64    `json:"lane"` // counts the owners
	Next     int64     `json:"next"`
	LogEpoch uint64    `json:"logEpoch,omitempty"`
	EventID  uuid.UUID `json:"eventId,omitzero"`
	Paused   bool      `json:"paused,omitempty"` // nothing is committed
}

func (c checkpoint) mark() projections.Mark {
	return projections.Mark{Next: c.Next, LogEpoch: c.LogEpoch, EventID: c.EventID}
}

func (c checkpoint) at(m projections.Mark) checkpoint {
	c.Next, c.LogEpoch, c.EventID = m.Next, m.LogEpoch, m.EventID
	return c
}

// TopicOf is the name of the table topic of a projection version.
func TopicOf(p projections.ID) string { return fmt.Sprintf("%s.v%d.rows", p.Name, p.Version) }

// open looks the topic of a projection version up, and makes it if create is set.
func open(ctx context.Context, client *commitlog.Client, p projections.ID, create bool) (commitlog.Topic, error) {
	name := TopicOf(p)
	if len(name) > wire.TopicBytesMax {
		return commitlog.Topic{}, &projections.InvalidError{Projection: p.Name, Reason: fmt.Sprintf("topic %q of its rows has %d bytes, at most %d are allowed: choose a shorter name", name, len(name), wire.TopicBytesMax)}
	}
	t, err := client.Topic(ctx, name)
	if create && isUnknown(err) {
		t, err = client.CreateTopic(ctx, commitlog.TopicConfig{Name: name, Kind: commitlog.Table, Partitions: 1})
		if isExists(err) { // another worker was first
			t, err = client.Topic(ctx, name)
		}
	}
	if err == nil && t.Kind != commitlog.Table {
		err = &projections.InvalidError{Projection: p.Name, Reason: fmt.Sprintf("topic %q is %s, and its rows need it to be a table: delete it, or choose another name", name, t.Kind)}
	}
	return t, classified(err)
}

// read decodes the newest value of a key into v, and answers what an update has to expect.
func read(ctx context.Context, client *commitlog.Client, t commitlog.Topic, key []byte, v any) (newest int64, err error) {
	r, ok, err := client.Get(ctx, t, key, commitlog.Strict())
	if err != nil {
		return 0, classified(err)
	}
	return r.Offset, decode(t, r, ok, v)
}

// decode decodes the value of a record, if there is one.
func decode(t commitlog.Topic, r commitlog.Record, ok bool, v any) error {
	if !ok {
		return nil
	}
	if err := json.Unmarshal(r.Value, v); err != nil {
		return fmt.Errorf("table: topic %q, key %q at offset %d: %w", t.Name, r.Key, r.Offset, err)
	}
	return nil
}

// readAbout reads what a topic is about.
func readAbout(ctx context.Context, client *commitlog.Client, t commitlog.Topic) (about projection, newest int64, err error) {
	newest, err = read(ctx, client, t, []byte(projectionKey), &about)
	return about, newest, err
}

// encoded is a value as it is stored.
func encoded(v any) []byte {
	b, err := json.Marshal(v)
	if err != nil { // of our own types
		panic(fmt.Sprintf("table: encoding %T: %v", v, err)) //nolint:forbidigo // a fault of this package
	}
	return b
}

// partitionOf is that of a checkpoint's key.
func partitionOf(key []byte) (int32, bool) {
	text, ok := strings.CutPrefix(string(key), checkpointPrefix)
	if !ok {
		return 0, false
	}
	n, err := strconv.ParseInt(text, 10, 32)
	return int32(n), err == nil
}
