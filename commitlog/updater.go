package commitlog

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/strandlog/strand/internal/partitioner"
	"github.com/strandlog/strand/internal/recordbatch"
	"github.com/strandlog/strand/internal/wire"
)

// What an [Update] expects of its key when it is no offset.
const (
	NoRecord  int64 = -1 // there is none
	AnyRecord int64 = -2 // whatever there is
)

// Update is a record of a table topic that is to be written.
type Update struct {
	Key   []byte
	Value []byte // nil: the key is deleted

	// Newest is what the newest record of the key must be: its offset as Get or an earlier Update gave it, NoRecord or AnyRecord. The zero value is offset 0.
	Newest int64

	// Unchanged says that nothing is written: the updates beside it are stored only if the newest record of the key is at Newest. It is never AnyRecord.
	Unchanged bool
}

// UpdateConflictError refuses updates: a key's newest record is another one than expected. Nothing is stored. Get the keys again, and decide again.
type UpdateConflictError struct {
	Topic  string
	Detail string // which key
}

func (e *UpdateConflictError) Error() string {
	return fmt.Sprintf("commitlog: table %q: %s: get the keys again and decide again", e.Topic, e.Detail)
}

// Is reports whether target is ErrConflict.
func (e *UpdateConflictError) Is(target error) bool { return target == ErrConflict }

// Updater writes records of a table topic on conditions: several of one partition, all or none. It is used by one goroutine.
type Updater struct {
	client   *Client
	topic    Topic
	routes   *routes
	builder  recordbatch.Builder
	producer uint64
	number   uint32 // of the newest batch
}

// What a request takes for each expectation, and each key that is to stay unchanged.
const (
	expectationBytesMax = 9
	unchangedBytesMax   = 2 + wire.StreamBytesMax + expectationBytesMax
)

// Updater makes an updater of a table topic.
func (c *Client) Updater(t Topic) (*Updater, error) {
	if err := checkTopic(t); err != nil {
		return nil, err
	}
	if t.Kind != Table {
		return nil, &InvalidError{Reason: fmt.Sprintf("topic %q is %s: only the keys of a table have a newest record", t.Name, t.Kind)}
	}
	return &Updater{client: c, topic: t, routes: c.routesOf(t), producer: newProducerID()}, nil
}

// Update stores all updates or none, and returns the offset of each; of those that are Unchanged, Newest. They are in one partition, as all keys are that hold the same {group}.
//
// Errors: ErrConflict when a key is not as expected, ErrIndefinite when the outcome could not be learned within Config.AppendTimeout or before ctx ended,
// ErrInvalid, ErrAppendTooLarge, ErrOverloaded, ErrNotEnoughReplicas, ErrNoStorage, ErrUnavailable, ErrUnknownTopic, ErrCorrupt, ErrLogDiverged, ErrClosed. But after
// ErrIndefinite nothing is stored.
func (u *Updater) Update(ctx context.Context, updates ...Update) ([]int64, error) {
	if len(updates) == 0 {
		return nil, nil
	}
	partition, order, err := u.check(updates)
	if err != nil {
		return nil, err
	}
	batch := u.batch(partition, updates, order)
	if size := len(batch.Batch) + expectationBytesMax*len(batch.Expected) + unchangedBytesMax*len(batch.Unchanged); size+produceRequestOverhead > u.client.requestBytesMax() {
		return nil, &TooLargeError{What: "bytes of updates", Size: size, Max: u.client.requestBytesMax() - produceRequestOverhead}
	}
	ctx, release := u.client.lifetime.bind(ctx)
	defer release()
	base, err := u.send(ctx, partition, batch)
	if err != nil {
		return nil, err
	}
	offsets := make([]int64, len(updates))
	for i := range updates {
		offsets[i] = updates[i].Newest
	}
	for place, i := range order {
		offsets[i] = base + int64(place)
	}
	return offsets, nil
}

// check finds the partition, and the order in which the updates are stored: those that expect something come first. The unchanged are not among them.
func (u *Updater) check(updates []Update) (partition int32, order []int, err error) {
	unchanged := 0
	for i := range updates {
		key := updates[i].Key
		at := partitioner.PartitionBytes(key, len(u.topic.Partitions))
		if updates[i].Unchanged {
			unchanged++
		}
		switch {
		case len(key) == 0 || len(key) > wire.StreamBytesMax:
			return 0, nil, &InvalidError{Reason: fmt.Sprintf("a key of table %q has 1 to %d bytes, not %d", u.topic.Name, wire.StreamBytesMax, len(key))}
		case len(updates[i].Value) > wire.RecordBytesMax:
			return 0, nil, &TooLargeError{What: "value bytes", Size: len(updates[i].Value), Max: wire.RecordBytesMax}
		case updates[i].Newest < AnyRecord:
			return 0, nil, &InvalidError{Reason: fmt.Sprintf("the newest record of key %q cannot be at %d: name an offset, NoRecord or AnyRecord", key, updates[i].Newest)}
		case updates[i].Unchanged && (updates[i].Newest == AnyRecord || updates[i].Value != nil):
			return 0, nil, &InvalidError{Reason: fmt.Sprintf("key %q is to stay unchanged: that takes the offset of its newest record or NoRecord, and no value", key)}
		case unchanged > wire.UnchangedMax:
			return 0, nil, &InvalidError{Reason: fmt.Sprintf("more than %d keys are to stay unchanged", wire.UnchangedMax)}
		case i > 0 && at != partition:
			return 0, nil, &InvalidError{Reason: fmt.Sprintf("keys %q and %q of table %q lie in the partitions %d and %d: updates that belong together have keys with the same {group}",
				updates[0].Key, key, u.topic.Name, partition, at)}
		}
		partition = at
		if !updates[i].Unchanged {
			order = append(order, i)
		}
	}
	if len(order) == 0 {
		return 0, nil, &InvalidError{Reason: fmt.Sprintf("all %d updates of table %q are unchanged: there is nothing to write", len(updates), u.topic.Name)}
	}
	slices.SortStableFunc(order, func(a, b int) int {
		return min(int(updates[b].Newest-AnyRecord), 1) - min(int(updates[a].Newest-AnyRecord), 1)
	})
	return partition, order, nil
}

func (u *Updater) batch(partition int32, updates []Update, order []int) wire.ProduceBatch {
	if u.number == math.MaxInt32 {
		u.producer, u.number = newProducerID(), 0
	}
	u.number++
	now := time.Now().UnixMilli()
	u.builder.Reset(0, now, 0)
	u.builder.SetProducer(int64(u.producer), 0, int32(u.number))
	b := wire.ProduceBatch{Partition: partition}
	for _, i := range order {
		u.builder.Append(recordbatch.Entry{Timestamp: now, Key: updates[i].Key, Value: updates[i].Value})
		if updates[i].Newest != AnyRecord {
			b.Expected = append(b.Expected, updates[i].Newest+1)
		}
	}
	for i := range updates {
		if updates[i].Unchanged {
			b.Unchanged = append(b.Unchanged, wire.Unchanged{Key: updates[i].Key, Newest: updates[i].Newest + 1})
		}
	}
	b.Batch = u.builder.AppendTo(nil)
	return b
}

// send repeats the batch until it has an outcome, and answers the offset of its first record.
func (u *Updater) send(ctx context.Context, partition int32, batch wire.ProduceBatch) (base int64, err error) {
	var tried tries
	shard, stale := wire.ShardOf(partition, u.topic.Shards), uint64(0)
	var outcome error // a refusal that ends it
	err = u.client.patiently(ctx, u.client.cfg.AppendTimeout, "updating topic "+u.topic.Name, func(ctx context.Context) error {
		at, err := u.routes.find(ctx, shard, stale)
		if err != nil {
			return err
		}
		batch.Since = tried.sendTo(at)
		result, err := u.once(ctx, at, batch)
		if err != nil {
			if !errors.Is(err, errUndelivered) {
				tried.lost(err)
			}
			stale = at.session
			return err
		}
		stale = 0
		switch result.Code {
		case wire.OK:
			base = result.BaseOffset
			u.routes.saw(partition, at.epoch, base+1)
			return nil
		case wire.NotLeader, wire.Retry:
			tried.absent()
			stale = at.session
			return refusal(result.Code, result.Detail)
		case wire.Overloaded, wire.NotEnoughSync, wire.NoStorage, wire.Early:
			return u.refused(result)
		case wire.Conflict, wire.TooLarge, wire.Invalid, wire.UnknownTopic, wire.OutOfOrder:
			outcome = u.refused(result)
			return nil
		}
		tried.lost(refusal(result.Code, result.Detail))
		return refusal(result.Code, result.Detail)
	})
	if err == nil {
		err = outcome
	}
	if err != nil && tried.unknown != nil {
		return 0, &IndefiniteSendError{Topic: u.topic.Name, Partition: partition, Cause: fmt.Errorf("%s, after an earlier try: %w", err.Error(), tried.unknown)}
	}
	return base, err
}

// once sends the batch and returns what the broker says of it.
func (u *Updater) once(ctx context.Context, at route, batch wire.ProduceBatch) (wire.ProduceResult, error) {
	request := wire.ProduceRequest{Producer: u.producer, Batches: []wire.ProduceBatch{batch}}
	reply, err := u.client.ask(ctx, at.produce, request.AppendTo(nil), u.client.cfg.RequestTimeout)
	if err != nil {
		return wire.ProduceResult{}, err
	}
	var response wire.ProduceResponse
	if err := response.Decode(reply); err != nil {
		return wire.ProduceResult{}, err
	}
	switch {
	case response.Code != wire.OK:
		return wire.ProduceResult{Code: response.Code, Detail: response.Detail}, nil
	case len(response.Results) != 1:
		return wire.ProduceResult{}, fmt.Errorf("the broker answered %d of 1 batches", len(response.Results))
	}
	return response.Results[0], nil
}

func (u *Updater) refused(r wire.ProduceResult) error {
	switch r.Code {
	case wire.Conflict:
		return &UpdateConflictError{Topic: u.topic.Name, Detail: r.Detail}
	case wire.Overloaded:
		return &OverloadedError{Topic: u.topic.Name, Detail: "the broker's queue is full " + r.Detail}
	case wire.NotEnoughSync:
		return &ReplicasError{Topic: u.topic.Name, Detail: r.Detail}
	case wire.NoStorage:
		return &StorageError{Topic: u.topic.Name, Detail: r.Detail}
	case wire.TooLarge:
		return &TooLargeError{What: r.Detail}
	case wire.UnknownTopic:
		return &UnknownTopicError{Topic: u.topic.Name}
	case wire.Early, wire.Retry:
		return refusal(r.Code, r.Detail)
	default:
		return &InvalidError{Reason: fmt.Sprintf("updating topic %q: the broker answered %s: %s", u.topic.Name, r.Code, r.Detail)}
	}
}
