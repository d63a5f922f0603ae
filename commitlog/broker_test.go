package commitlog

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/strandlog/strand/internal/wire"
)

// What a scripted broker can do other than answer.
var (
	errLost       = errors.New("the request or its answer is lost")    // the caller waits in vain
	errDisconnect = errors.New("the connection broke")                 // so does it, but not for long
	errNobody     = fmt.Errorf("%w: nobody serves it", errUndelivered) // definite
)

// scriptedBroker is a transport whose answers a test decides. It answers requests to the current sessions of one topic; to others nobody listens.
type scriptedBroker struct {
	turn      chan struct{} // closed when the request that was started last is evaluated; guarded by mu
	mu        sync.Mutex
	topic     wire.TopicInfo
	catalogue func(subject string, req wire.TopicRequest) (wire.TopicResponse, error) // nil: describe the topic
	append    func(req wire.AppendRequest) (wire.AppendResponse, error)               // nil: store
	fetch     func(ctx context.Context, req wire.FetchRequest) (wire.FetchResponse, error)
	stream    func(req wire.StreamRequest) (wire.StreamResponse, error)
	produce   func(req wire.ProduceRequest) (wire.ProduceResponse, error) // nil: store
	get       func(req wire.GetRequest) (wire.GetResponse, error)
	delete    func(req wire.DeleteBeforeRequest) (wire.DeleteBeforeResponse, error)
	group     func(req wire.GroupRequest) (wire.GroupResponse, error)

	produces  []wire.ProduceRequest // all that came, whatever became of them
	published int                   // of those, the ones that nobody waits for
	producing int                   // those in flight
	shelf     *shelf
	appends   []wire.AppendRequest // all that came, whatever became of them
	described int
	inFlight  int // append requests
	offset    int64
	max       int
	closed    bool
	starting  bool // the node that the client is connected to
}

const (
	testPartitions = 4
	testEpoch      = 7
)

func newBroker(shards int) *scriptedBroker {
	b := &scriptedBroker{topic: wire.TopicInfo{
		TopicSpec: wire.TopicSpec{Name: "events", Kind: "versioned", Partitions: testPartitions, Shards: shards},
		ID:        uuid.MustParse("0190b5a4-7c7e-7000-8000-0123456789ab"), State: "ready", Created: time.UnixMilli(0).UTC(),
	}}
	for shard := range shards {
		s := wire.ShardInfo{Shard: shard, State: wire.ShardServing, Epoch: testEpoch, Session: uint64(100 + shard)}
		for p := range int32(testPartitions) {
			if wire.ShardOf(p, shards) == shard {
				s.Partitions = append(s.Partitions, wire.PartitionInfo{Partition: p})
			}
		}
		b.topic.Shard = append(b.topic.Shard, s)
	}
	return b
}

// connect returns a client of the broker and its topic as the catalogue describes it.
func (b *scriptedBroker) connect(t *testing.T, cfg Config) (*Client, Topic) {
	t.Helper()
	c := newClient(b, cfg)
	t.Cleanup(func() {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	})
	topic, err := newTopic(b.topic)
	if err != nil {
		t.Fatal(err)
	}
	return c, topic
}

// elect moves a shard to a new session.
func (b *scriptedBroker) elect(shard int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.topic.Shard = slices.Clone(b.topic.Shard)
	b.topic.Shard[shard].Epoch++
	b.topic.Shard[shard].Session += 1000
}

func (b *scriptedBroker) local(question string) string {
	if b.starting {
		return question + startingNode
	}
	return question
}

// startingNode is behind the subjects of a node that does not serve yet.
const startingNode = ".starting"

func (b *scriptedBroker) payloadBytesMax() int {
	if b.max > 0 {
		return b.max
	}
	return wire.PayloadBytesMax
}
func (b *scriptedBroker) url() string { return "nats://scripted" }
func (b *scriptedBroker) close()      { b.closed = true }

func (b *scriptedBroker) request(ctx context.Context, subject string, payload []byte) ([]byte, error) {
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	reply, err := b.answer(ctx, subject, slices.Clone(payload))
	switch {
	case errors.Is(err, errLost):
		<-ctx.Done()
		return nil, ctx.Err()
	case errors.Is(err, errDisconnect):
		wait(ctx, time.Millisecond)
	}
	return reply, err
}

// start has requests arrive in their order, each when the one before was evaluated.
func (b *scriptedBroker) start(subject string, payload []byte) func(context.Context) ([]byte, error) {
	type result struct {
		reply []byte
		err   error
	}
	done, own, data := make(chan result, 1), make(chan struct{}), slices.Clone(payload)
	b.mu.Lock()
	before := b.turn
	b.turn = own
	b.mu.Unlock()
	go func() {
		if before != nil {
			<-before
		}
		reply, err := b.answer(context.Background(), subject, data)
		close(own)
		done <- result{reply, err}
	}()
	return func(ctx context.Context) ([]byte, error) {
		select {
		case r := <-done:
			switch {
			case errors.Is(r.err, errLost):
				<-ctx.Done()
				return nil, ctx.Err()
			case errors.Is(r.err, errDisconnect):
				wait(ctx, time.Millisecond)
			}
			return r.reply, r.err
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

func (b *scriptedBroker) publish(subject string, payload []byte) error {
	if verb, shard := b.parse(subject); verb == wire.VerbProduce {
		b.mu.Lock()
		b.published++
		b.mu.Unlock()
		_, err := b.answerProduce(shard, slices.Clone(payload))
		return err
	}
	return nil // nobody listens, and nobody says so
}

func (b *scriptedBroker) answer(ctx context.Context, subject string, payload []byte) ([]byte, error) {
	if strings.HasSuffix(subject, startingNode) {
		return nil, errNobody
	}
	if strings.HasPrefix(subject, "strand.topics.") {
		return b.answerCatalogue(subject, payload)
	}
	verb, shard := b.parse(subject)
	if shard < 0 {
		return nil, errNobody
	}
	switch verb {
	case wire.VerbAppend:
		return b.answerAppend(shard, payload)
	case wire.VerbFetch:
		var req wire.FetchRequest
		if err := req.Decode(payload); err != nil {
			return nil, err
		}
		resp, err := b.fetch(ctx, req)
		return resp.AppendTo(nil), err
	case wire.VerbStream:
		var req wire.StreamRequest
		if err := req.Decode(payload); err != nil {
			return nil, err
		}
		resp, err := b.stream(req)
		return resp.AppendTo(nil), err
	case wire.VerbProduce:
		return b.answerProduce(shard, payload)
	case wire.VerbGet:
		var req wire.GetRequest
		if err := req.Decode(payload); err != nil {
			return nil, err
		}
		resp, err := b.get(req)
		return resp.AppendTo(nil), err
	case wire.VerbGroup:
		var req wire.GroupRequest
		if err := req.Decode(payload); err != nil {
			return nil, err
		}
		resp, err := b.group(req)
		if err != nil {
			return nil, err
		}
		return resp.AppendTo(nil)
	default:
		var req wire.DeleteBeforeRequest
		if err := req.Decode(payload); err != nil {
			return nil, err
		}
		resp, err := b.delete(req)
		return resp.AppendTo(nil), err
	}
}

// parse returns the shard whose current session listens on a subject, -1 for none.
func (b *scriptedBroker) parse(subject string) (verb string, shard int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, s := range b.topic.Shard {
		for _, verb := range []string{wire.VerbAppend, wire.VerbFetch, wire.VerbStream, wire.VerbProduce, wire.VerbGet, wire.VerbDeleteBefore, wire.VerbGroup} {
			if s.State == wire.ShardServing && subject == wire.ShardSubject(verb, b.topic.ID, s.Shard, s.Session) {
				return verb, s.Shard
			}
		}
	}
	return "", -1
}

func (b *scriptedBroker) answerCatalogue(subject string, payload []byte) ([]byte, error) {
	var req wire.TopicRequest
	if err := req.Decode(payload); err != nil {
		return nil, err
	}
	b.mu.Lock()
	if subject == wire.SubjectTopicDescribe {
		b.described++
	}
	resp, err := wire.TopicResponse{Topics: []wire.TopicInfo{b.topic}}, error(nil)
	b.mu.Unlock()
	if b.catalogue != nil {
		resp, err = b.catalogue(subject, req)
	}
	if err != nil {
		return nil, err
	}
	return resp.AppendTo(nil)
}

func (b *scriptedBroker) answerAppend(shard int, payload []byte) ([]byte, error) {
	var req wire.AppendRequest
	if err := req.Decode(payload); err != nil {
		return nil, err
	}
	b.mu.Lock()
	b.appends = append(b.appends, req)
	b.inFlight++
	epoch := b.topic.Shard[shard].Epoch
	b.mu.Unlock()
	defer func() {
		b.mu.Lock()
		defer b.mu.Unlock()
		b.inFlight--
	}()
	resp, err := wire.AppendResponse{}, error(nil)
	if b.append != nil {
		resp, err = b.append(req)
	} else {
		resp = b.store(req)
	}
	resp.Epoch = epoch
	return resp.AppendTo(nil), err
}

// store answers that everything is stored.
func (b *scriptedBroker) store(req wire.AppendRequest) (resp wire.AppendResponse) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, a := range req.Appends {
		r := wire.AppendResult{Timestamp: 1750000000000}
		for _, w := range a.Writes {
			r.Writes = append(r.Writes, wire.WriteResult{Partition: w.Partition, Count: int32(len(w.Events)), FirstOffset: b.offset, FirstVersion: 1})
			b.offset += int64(len(w.Events))
		}
		resp.Results = append(resp.Results, r)
	}
	return resp
}

// since lists of all appends that came the session of their first send without an outcome: 1 is the broker's first, 0 none.
func (b *scriptedBroker) since() (since []uint64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, req := range b.appends {
		for _, a := range req.Appends {
			since = append(since, sessionOf(a.Since))
		}
	}
	return since
}

// sessionOf counts the sessions of a scripted broker by their epochs, from 1.
func sessionOf(epoch uint64) uint64 {
	if epoch == 0 {
		return 0
	}
	return epoch - testEpoch + 1
}

// answerAll gives every append of a request the same result.
func answerAll(req wire.AppendRequest, r wire.AppendResult) wire.AppendResponse {
	return wire.AppendResponse{Results: slices.Repeat([]wire.AppendResult{r}, len(req.Appends))}
}

// one is an append of one event.
func one(stream string, expected Expected) Append {
	return Append{Writes: []Write{{Stream: stream, Expected: expected, Events: []NewRecord{{Value: []byte("{}")}}}}}
}
