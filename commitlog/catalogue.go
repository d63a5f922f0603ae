package commitlog

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/strandlog/strand/internal/wire"
)

// CreateTopic creates a topic. It returns ErrTopicExists when one of that name exists, ErrInvalidName or ErrInvalid for a configuration that no topic
// can have, ErrUnavailable when no broker answered in time: the topic may then have been created.
func (c *Client) CreateTopic(ctx context.Context, cfg TopicConfig) (Topic, error) {
	cfg, err := cfg.check()
	if err != nil {
		return Topic{}, err
	}
	spec := cfg.spec()
	resp, lost, err := c.manage(ctx, wire.SubjectTopicCreate, wire.TopicRequest{Spec: &spec}, "creating topic "+cfg.Name)
	if err != nil {
		return Topic{}, err
	}
	switch resp.Code {
	case wire.OK:
		return oneTopic(cfg.Name, resp)
	case wire.TopicExists:
		if lost {
			return c.created(ctx, spec)
		}
		return Topic{}, &TopicExistsError{Topic: cfg.Name}
	}
	return Topic{}, c.catalogueError(cfg.Name, resp)
}

// created looks at the topic that stands in the way of a creation of which an earlier try had no answer: it is most likely the one that was asked for.
func (c *Client) created(ctx context.Context, spec wire.TopicSpec) (Topic, error) {
	t, err := c.Topic(ctx, spec.Name)
	if err != nil {
		return Topic{}, err
	}
	if !t.meets(spec) {
		return Topic{}, &TopicExistsError{Topic: spec.Name}
	}
	return t, nil
}

// Topic looks a topic up by its name: ErrUnknownTopic when there is none.
func (c *Client) Topic(ctx context.Context, name string) (Topic, error) {
	if err := CheckTopic(name); err != nil {
		return Topic{}, err
	}
	resp, _, err := c.manage(ctx, wire.SubjectTopicDescribe, wire.TopicRequest{Name: name}, "looking up topic "+name)
	if err != nil {
		return Topic{}, err
	}
	if resp.Code == wire.OK {
		return oneTopic(name, resp)
	}
	return Topic{}, c.catalogueError(name, resp)
}

// Topics lists all topics.
func (c *Client) Topics(ctx context.Context) ([]Topic, error) {
	resp, _, err := c.manage(ctx, wire.SubjectTopicList, wire.TopicRequest{}, "listing topics")
	if err != nil {
		return nil, err
	}
	if resp.Code != wire.OK {
		return nil, c.catalogueError("", resp)
	}
	topics := make([]Topic, len(resp.Topics))
	for i, info := range resp.Topics {
		if topics[i], err = newTopic(info); err != nil {
			return nil, err
		}
	}
	return topics, nil
}

// AlterTopic changes one incarnation of a topic, which serves on, and returns it as it is then. A shorter retention takes effect within moments, but what
// was stored before can only go at certain places, of which there are as many as the earlier retention asked for: up to 64 MiB of a shard without one
// stay until as much was stored behind them as is to be kept, or until they are as old again as is allowed.
//
// It returns ErrUnknownTopic when there is none of that id, ErrInvalid for a retention that its kind cannot have, and ErrUnavailable, after which the change
// may have been made; it does no harm to ask again.
func (c *Client) AlterTopic(ctx context.Context, id uuid.UUID, change TopicChange) (Topic, error) {
	if fault := change.fault(); fault != "" {
		return Topic{}, &InvalidError{Reason: fault}
	}
	resp, _, err := c.manage(ctx, wire.SubjectTopicAlter, wire.TopicRequest{ID: id, Change: change.wire()}, "altering topic "+id.String())
	switch {
	case err != nil:
		return Topic{}, err
	case resp.Code == wire.OK:
		return oneTopic(id.String(), resp)
	case resp.Code == wire.Invalid:
		return Topic{}, &InvalidError{Reason: resp.Detail} // which names the topic
	}
	return Topic{}, c.catalogueError(id.String(), resp)
}

// fault says what no topic can have, empty: nothing.
func (change TopicChange) fault() string {
	if age := change.RetentionAge; age != nil && (*age < 0 || *age > 0 && *age < time.Millisecond) {
		return fmt.Sprintf("a retention of %v: choose at least 1 ms, or 0 to keep records whatever their age", *age)
	}
	if bytes := change.RetentionBytes; bytes != nil && *bytes < 0 {
		return fmt.Sprintf("a retention of %d bytes: choose more, or 0 to keep records whatever their size", *bytes)
	}
	return ""
}

func (change TopicChange) wire() *wire.TopicChange {
	w := &wire.TopicChange{RetentionBytes: change.RetentionBytes}
	if age := change.RetentionAge; age != nil {
		w.RetentionAgeMS = new(age.Milliseconds())
	}
	return w
}

// DeleteTopic deletes one incarnation of a topic with all its records, for good: ErrUnknownTopic when there is none of that id.
func (c *Client) DeleteTopic(ctx context.Context, id uuid.UUID) error {
	resp, lost, err := c.manage(ctx, wire.SubjectTopicDelete, wire.TopicRequest{ID: id}, "deleting topic "+id.String())
	switch {
	case err != nil:
		return err
	case resp.Code == wire.OK, resp.Code == wire.UnknownTopic && lost: // an earlier try deleted it
		return nil
	}
	return c.catalogueError(id.String(), resp)
}

// manage asks the catalogue until it answers. lost says that an earlier try got no answer and may have had its effect.
func (c *Client) manage(ctx context.Context, subject string, req wire.TopicRequest, doing string) (resp wire.TopicResponse, lost bool, err error) {
	ctx, release := c.lifetime.bind(ctx)
	defer release()
	err = c.patiently(ctx, c.cfg.ReadTimeout, doing, func(ctx context.Context) error {
		resp, err = c.askCatalogue(ctx, subject, req)
		if err != nil {
			lost = lost || !errors.Is(err, errUndelivered)
			return err
		}
		switch resp.Code {
		case wire.Unknown, wire.NotLeader, wire.Retry: // a change has several steps, and may have been cut off after the first
			lost = true
			return refusal(resp.Code, resp.Detail)
		case wire.Stale, wire.Overloaded, wire.NotEnoughSync:
			return refusal(resp.Code, resp.Detail)
		}
		return nil
	})
	return resp, lost, err
}

// askCatalogue asks once.
func (c *Client) askCatalogue(ctx context.Context, subject string, req wire.TopicRequest) (resp wire.TopicResponse, err error) {
	payload, err := req.AppendTo(nil)
	if err != nil {
		return resp, &InvalidError{Reason: err.Error()}
	}
	places := []string{subject}
	if subject == wire.SubjectTopicDescribe || subject == wire.SubjectTopicList || subject == wire.SubjectCluster {
		places = []string{c.conn.local(subject), subject} // the node may not serve yet, or be another one by now
	}
	var reply []byte
	for _, place := range places {
		if reply, err = c.ask(ctx, place, payload, c.cfg.RequestTimeout); !errors.Is(err, errUndelivered) {
			break
		}
	}
	if err != nil {
		return resp, err
	}
	if err := resp.Decode(reply); err != nil {
		return resp, &CorruptError{Partition: -1, Offset: -1, Cause: err}
	}
	return resp, nil
}

// catalogueError is the error of an answer that is not what was hoped for.
func (c *Client) catalogueError(topic string, resp wire.TopicResponse) error {
	switch resp.Code {
	case wire.UnknownTopic:
		return &UnknownTopicError{Topic: topic}
	case wire.TopicExists:
		return &TopicExistsError{Topic: topic}
	case wire.Invalid, wire.TooLarge:
		return &InvalidError{Reason: fmt.Sprintf("topic %q: %s", topic, resp.Detail)}
	case wire.NoStorage:
		return &StorageError{Topic: topic, Detail: resp.Detail}
	default:
		return c.unavailable(fmt.Sprintf("managing topic %q", topic), refusal(resp.Code, resp.Detail))
	}
}

func (cfg TopicConfig) check() (TopicConfig, error) {
	if cfg.Kind == "" {
		cfg.Kind = Versioned
	}
	if cfg.Partitions == 0 {
		cfg.Partitions = 8
	}
	if err := CheckTopic(cfg.Name); err != nil {
		return cfg, err
	}
	switch {
	case cfg.Kind != Versioned && cfg.Kind != Plain && cfg.Kind != Table:
		return cfg, &InvalidError{Reason: fmt.Sprintf("topic %q: kind %q is not known: use %q, %q or %q", cfg.Name, cfg.Kind, Versioned, Plain, Table)}
	case cfg.Partitions < 1 || cfg.Partitions > wire.PartitionsMax:
		return cfg, &InvalidError{Reason: fmt.Sprintf("topic %q: %d partitions: choose 1 to %d", cfg.Name, cfg.Partitions, wire.PartitionsMax)}
	case cfg.Shards < 0 || cfg.Shards > cfg.Partitions:
		return cfg, &InvalidError{Reason: fmt.Sprintf("topic %q: %d shards: choose 1 to %d, its partitions", cfg.Name, cfg.Shards, cfg.Partitions)}
	case cfg.Replicas != 0 && cfg.Replicas != 1 && cfg.Replicas != 3 && cfg.Replicas != 5:
		return cfg, &InvalidError{Reason: fmt.Sprintf("topic %q: %d replicas: choose 1, 3 or 5", cfg.Name, cfg.Replicas)}
	case cfg.MinInSync < 0 || cfg.Replicas != 0 && cfg.MinInSync > cfg.Replicas:
		return cfg, &InvalidError{Reason: fmt.Sprintf("topic %q: at least %d replicas in sync: choose 1 to %d, its replicas", cfg.Name, cfg.MinInSync, cfg.Replicas)}
	}
	return cfg, cfg.checkKind()
}

// checkKind refuses what only topics of another kind have.
func (cfg TopicConfig) checkKind() error {
	refuse := func(format string, args ...any) error {
		return &InvalidError{Reason: fmt.Sprintf("topic %q: ", cfg.Name) + fmt.Sprintf(format, args...)}
	}
	change := TopicChange{RetentionAge: &cfg.RetentionAge, RetentionBytes: &cfg.RetentionBytes}
	if fault := change.fault(); fault != "" {
		return refuse("%s", fault)
	}
	switch {
	case cfg.Kind == Plain:
		return nil
	case cfg.RetentionAge > 0 || cfg.RetentionBytes > 0:
		return refuse("a %s topic deletes nothing by age or size: leave RetentionAge and RetentionBytes out, or make it %q", cfg.Kind, Plain)
	case cfg.ProducerTime:
		return refuse("the record times of a %s topic are the broker's: leave ProducerTime out, or make it %q", cfg.Kind, Plain)
	}
	return nil
}

func (cfg TopicConfig) spec() wire.TopicSpec {
	return wire.TopicSpec{
		Name: cfg.Name, Kind: string(cfg.Kind), Partitions: cfg.Partitions, Shards: cfg.Shards, ProducerTime: cfg.ProducerTime,
		Replicas: cfg.Replicas, MinInSync: cfg.MinInSync,
		Retention: wire.Retention{AgeMS: cfg.RetentionAge.Milliseconds(), Bytes: cfg.RetentionBytes},
	}
}

// spec is what the topic was created from.
func (t Topic) spec() wire.TopicSpec {
	return TopicConfig{
		Name: t.Name, Kind: t.Kind, Partitions: len(t.Partitions), Shards: t.Shards,
		RetentionAge: t.RetentionAge, RetentionBytes: t.RetentionBytes, ProducerTime: t.ProducerTime, Replicas: t.Replicas, MinInSync: t.MinInSync,
	}.spec()
}

// meets says whether a topic is one that was asked for. What was left to the broker is as the broker chose.
func (t Topic) meets(asked wire.TopicSpec) bool {
	is := t.spec()
	asked.Shards, asked.Replicas, asked.MinInSync = cmp.Or(asked.Shards, is.Shards), cmp.Or(asked.Replicas, is.Replicas), cmp.Or(asked.MinInSync, is.MinInSync)
	return is == asked
}

func oneTopic(name string, resp wire.TopicResponse) (Topic, error) {
	if len(resp.Topics) != 1 {
		return Topic{}, &CorruptError{Topic: name, Partition: -1, Offset: -1, Cause: fmt.Errorf("%d topics in the answer, not one", len(resp.Topics))}
	}
	return newTopic(resp.Topics[0])
}

// newTopic checks what a broker says of a topic: the rest of the client relies on it.
func newTopic(info wire.TopicInfo) (Topic, error) {
	if info.ID == uuid.Nil || info.Partitions < 1 || info.Partitions > wire.PartitionsMax || info.Shards < 1 || info.Shards > info.Partitions {
		return Topic{}, &CorruptError{Topic: info.Name, Partition: -1, Offset: -1, Cause: fmt.Errorf("the answer describes %d partitions in %d shards", info.Partitions, info.Shards)}
	}
	t := Topic{
		Name: info.Name, Kind: Kind(info.Kind), ID: info.ID, LogID: info.LogID, Shards: info.Shards, Created: info.Created,
		Partitions: make([]PartitionInfo, info.Partitions), Replicas: info.Replicas, MinInSync: info.MinInSync,
		RetentionAge: time.Duration(info.Retention.AgeMS) * time.Millisecond, RetentionBytes: info.Retention.Bytes, ProducerTime: info.ProducerTime,
	}
	for _, s := range info.Shard {
		var replicas []ReplicaInfo // all partitions of a shard share them
		for _, r := range s.Replicas {
			lag := time.Duration(r.LagMS) * time.Millisecond
			if r.LagMS < 0 {
				lag = -1
			}
			replicas = append(replicas, ReplicaInfo{Node: r.Node, Alive: r.Alive, InSync: r.InSync, Lag: r.Lag, LagTime: lag})
		}
		for _, p := range s.Partitions {
			if p.Partition >= 0 && int(p.Partition) < len(t.Partitions) {
				t.Partitions[p.Partition] = PartitionInfo{
					Start: p.Start, End: p.HighWatermark, Epoch: s.Epoch, Leader: s.Node, State: s.State, Detail: s.Detail, Replicas: replicas,
				}
			}
		}
	}
	return t, nil
}
