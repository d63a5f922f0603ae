package table

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/google/uuid"
	"github.com/strandlog/strand/commitlog"
	"github.com/strandlog/strand/internal/wire"
	"github.com/strandlog/strand/projections"
)

// The keys of a topic: one record says what the projection is, one for each partition how far it is, and one holds each row. Every commit names the first one,
// which it leaves unchanged: so one update of it, whatever others commit meanwhile, pauses all of them, or fences them. A reset begins another generation:
// what is of the one before counts no more.
const (
	projectionKey    = "projection"
	checkpointPrefix = "checkpoint/"
	rowPrefix        = "row/"
	parkedPrefix     = "parked/"
)

func checkpointKey(partition int32) []byte {
	return []byte(checkpointPrefix + strconv.Itoa(int(partition)))
}

func parkedKey(generation int, partition int32) []byte {
	return fmt.Appendf(nil, "%s%d/%d", parkedPrefix, generation, partition)
}

// keyBytesMax is what the key of a row may have.
const keyBytesMax = 200

func rowKey(generation int, key string) []byte {
	return []byte(rowPrefix + strconv.Itoa(generation) + "/" + key)
}

// rowOf is the key of a row of a generation.
func rowOf(generation int, key []byte) (string, bool) {
	return strings.CutPrefix(string(key), rowPrefix+strconv.Itoa(generation)+"/")
}

// generationOf is that of a row or of what was set aside.
func generationOf(key []byte) (generation int, ok bool) {
	rest, ok := strings.CutPrefix(string(key), rowPrefix)
	if !ok {
		if rest, ok = strings.CutPrefix(string(key), parkedPrefix); !ok {
			return 0, false
		}
	}
	number, _, ok := strings.Cut(rest, "/")
	generation, err := strconv.Atoi(number)
	return generation, ok && err == nil
}

// projection is what a topic is about.
type projection struct {
	Topic      string    `json:"topic,omitempty"`  // that is projected; empty: no worker has claimed a partition yet, or none since a reset
	TopicID    uuid.UUID `json:"topicId,omitzero"` // stays after a reset, as LogID does
	LogID      uuid.UUID `json:"logId,omitzero"`
	Of         int       `json:"of,omitempty"`   // partitions that the topic has
	Logs       int       `json:"logs,omitempty"` // counts the logs that it has followed: the epochs of one say nothing of those of another
	SetUp      bool      `json:"setUp,omitempty"`
	Paused     bool      `json:"paused,omitempty"`     // nothing is committed
	Generation int       `json:"generation"`           // counts the resets
	Partitions []int32   `json:"partitions,omitempty"` // that have a checkpoint
	Since      int       `json:"since,omitempty"`      // Logs when it began with another topic, to whose offsets those of before say nothing
}

func (p *projection) source() projections.Source {
	if p.Topic == "" {
		return projections.Source{}
	}
	return projections.Source{Topic: p.Topic, TopicID: p.TopicID, LogID: p.LogID, Partitions: p.Of}
}

// claimed has a worker claim a partition.
func (p *projection) claimed(c projections.Claim) error {
	switch {
	case p.Topic == "" && p.LogID != uuid.Nil && (p.TopicID != c.TopicID || p.LogID != c.LogID):
		if p.Logs++; p.TopicID != c.TopicID { // otherwise it is the same topic, from a backup
			p.Since = p.Logs
		}
	case p.Topic != "" && p.source() != c.Source():
		return &projections.DivergedError{Projection: c.ID(), Topic: c.Topic, Partition: c.Partition,
			Reason: fmt.Sprintf("the checkpoint belongs to topic %s (id %s, log %s), the worker reads topic %s (id %s, log %s)",
				p.Topic, p.TopicID, p.LogID, c.Topic, c.TopicID, c.LogID)}
	}
	p.Topic, p.TopicID, p.LogID, p.Of = c.Topic, c.TopicID, c.LogID, c.Partitions
	if !slices.Contains(p.Partitions, c.Partition) {
		p.Partitions = append(p.Partitions, c.Partition)
		slices.Sort(p.Partitions)
	}
	return nil
}

// reset begins another generation.
func (p *projection) reset() {
	p.Topic, p.SetUp = "", false
	p.Generation++
}

// counting is what of a checkpoint counts: it may have been written before a reset, or for another log.
func (p *projection) counting(c checkpoint) checkpoint {
	if c.Generation != p.Generation {
		c = checkpoint{Epoch: c.Epoch, Lane: c.Lane, NewFrom: max(c.NewFrom, c.Next), Logs: c.Logs}
	}
	if c.Logs < p.Since {
		c.NewFrom = 0
	}
	if c.Logs != p.Logs {
		c.Epoch = 0
	}
	c.Logs, c.Generation = p.Logs, p.Generation
	return c
}

// checkpoint is how far a partition is, and who may go on with it.
type checkpoint struct {
	Epoch      uint64    `json:"epoch"`
	Lane       uint64    `json:"lane"` // counts the owners
	Next       int64     `json:"next"`
	NewFrom    int64     `json:"newFrom,omitempty"` // see projections.Gated
	LogEpoch   uint64    `json:"logEpoch,omitempty"`
	EventID    uuid.UUID `json:"eventId,omitzero"`
	Logs       int       `json:"logs,omitempty"`       // those of the projection when it was written
	Generation int       `json:"generation,omitempty"` // also
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
	if err == nil && (t.Kind != commitlog.Table || len(t.Partitions) != 1) {
		err = &projections.InvalidError{Projection: p.Name, Reason: fmt.Sprintf("topic %q is %s with %d partitions, and its rows need a table with one: delete it, or choose another name", name, t.Kind, len(t.Partitions))}
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

// readCheckpoint reads what counts of the checkpoint of a partition.
func readCheckpoint(ctx context.Context, client *commitlog.Client, t commitlog.Topic, about *projection, partition int32) (at checkpoint, newest int64, err error) {
	newest, err = read(ctx, client, t, checkpointKey(partition), &at)
	return about.counting(at), newest, err
}

// change is how [alter] changes what a topic is about, and what it writes together with that. It is called again when another change came first.
type change func(about *projection) ([]commitlog.Update, error)

// errAsItIs ends a change without one.
var errAsItIs = errors.New("nothing is to be changed")

// alter changes what a topic is about, and gives that, its offset, and those of what was written with it. It writes also what is as it was before: commits under
// way are to be done again.
func alter(ctx context.Context, client *commitlog.Client, t commitlog.Topic, fn change) (about projection, at int64, offsets []int64, err error) {
	u, err := client.Updater(t)
	if err != nil {
		return about, 0, nil, err
	}
	for {
		about, newest, err := readAbout(ctx, client, t)
		if err != nil {
			return about, 0, nil, err
		}
		if newest == commitlog.NoRecord && t.Partitions[0].End > 0 { // t was looked up before
			name, _ := idOf(t.Name)
			return about, 0, nil, &projections.InvalidError{Projection: name.Name, Reason: fmt.Sprintf("topic %q has records that are not of a projection: delete it, or choose another name", t.Name)}
		}
		updates, err := fn(&about)
		if errors.Is(err, errAsItIs) {
			return about, newest, nil, nil
		}
		if err != nil {
			return about, 0, nil, err
		}
		offsets, err := u.Update(ctx, append(updates, commitlog.Update{Key: []byte(projectionKey), Value: encoded(about), Newest: newest})...)
		if isConflict(err) { // another change came first
			continue
		}
		if err != nil {
			return about, 0, nil, classified(err)
		}
		last := len(offsets) - 1
		return about, offsets[last], offsets[:last], nil
	}
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
