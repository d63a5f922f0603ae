package commitlog

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"github.com/strandlog/strand/internal/partitioner"
	"github.com/strandlog/strand/internal/wire"
)

func TestAppendSendsWhatItWasGiven(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBroker(1)
		c, topic := b.connect(t, Config{})
		id := uuid.Must(uuid.NewV7())
		a := Append{Writes: []Write{{
			Stream: "account-alice", Expected: 3, CommandID: "req-1",
			Events: []NewRecord{
				{ID: id, Value: []byte("first"), Headers: []Header{{wire.HeaderType, []byte("account.opened")}, {wire.HeaderCommandID, []byte("req-1")}}},
				{Value: nil},
			},
		}}}
		got, err := c.Append(t.Context(), topic, a)
		if err != nil {
			t.Fatal(err)
		}
		partition := partitioner.Partition("account-alice", testPartitions)
		want := Appended{Time: time.UnixMilli(1750000000000).UTC(), Writes: []Written{{Partition: partition, Epoch: testEpoch, Count: 2, FirstVersion: 1}}}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("answer differs (-want +got):\n%s", diff)
		}
		req := b.appends[0]
		w := req.Appends[0].Writes[0]
		if w.Partition != partition || w.Expected != 3 || string(w.Stream) != "account-alice" || string(w.CommandID) != "req-1" || len(w.Events) != 2 {
			t.Errorf("sent %+v", w)
		}
		if e := w.Events[0]; e.ID != id || string(e.Value) != "first" || e.HeaderCount != 1 {
			t.Errorf("sent %+v; the broker adds the command id itself", e)
		}
		if e := w.Events[1]; e.ID.Version() != 7 || e.Value != nil {
			t.Errorf("sent %+v", e)
		}
		if a.Writes[0].Events[1].ID != uuid.Nil {
			t.Error("the caller's events were changed")
		}
	})
}

func TestAppendReportsTheUseOfACommandIDAlone(t *testing.T) {
	for _, id := range []string{"", "req-1"} {
		synctest.Test(t, func(t *testing.T) {
			b := newBroker(1)
			b.append = func(req wire.AppendRequest) (wire.AppendResponse, error) {
				resp := b.store(req)
				resp.Results[0].Duplicate = true
				return resp, nil
			}
			c, topic := b.connect(t, Config{})
			a := one("account-alice", Any)
			a.Writes[0].CommandID = id
			got, err := c.Append(t.Context(), topic, a)
			if err != nil || got.Duplicate != (id != "") {
				t.Errorf("command id %q: got %+v, %v", id, got, err)
			}
		})
	}
}

func TestConcurrentAppendsShareRequests(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const n = 3*wire.AppendsMax + 7
		b := newBroker(1)
		open := make(chan struct{})
		b.append = func(req wire.AppendRequest) (wire.AppendResponse, error) {
			<-open
			return b.store(req), nil
		}
		c, topic := b.connect(t, Config{})
		var all sync.WaitGroup
		appendOne := func(i int) {
			all.Go(func() {
				if _, err := c.Append(t.Context(), topic, one(fmt.Sprintf("account-%d", i), NoStream)); err != nil {
					t.Error(err)
				}
			})
		}
		appendOne(0)
		synctest.Wait()
		for i := range n {
			appendOne(i + 1)
		}
		synctest.Wait()
		if b.inFlight != 1 {
			t.Errorf("%d requests are in flight", b.inFlight)
		}
		close(open)
		all.Wait()
		var sizes []int
		for _, req := range b.appends {
			sizes = append(sizes, len(req.Appends))
		}
		if diff := cmp.Diff([]int{1, wire.AppendsMax, wire.AppendsMax, wire.AppendsMax, 7}, sizes); diff != "" {
			t.Errorf("appends a request differ (-want +got):\n%s", diff)
		}
		checkSequences(t, b.appends)
	})
}

func TestRequestsKeepWithinWhatTheServerTakes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBroker(1)
		b.max = 100 << 10
		c, topic := b.connect(t, Config{})
		var all sync.WaitGroup
		for i := range 40 {
			all.Go(func() {
				a := one(fmt.Sprintf("account-%d", i), NoStream)
				a.Writes[0].Events[0].Value = make([]byte, 20<<10)
				if _, err := c.Append(t.Context(), topic, a); err != nil {
					t.Error(err)
				}
			})
		}
		all.Wait()
		for _, req := range b.appends {
			if n := len(req.AppendTo(nil)); n > b.max {
				t.Errorf("a request has %d bytes", n)
			}
		}
		if n := len(b.appends); n < 10 || n > 20 {
			t.Errorf("%d requests for 40 appends of which 4 fit in one", n)
		}
		a := one("account-large", NoStream)
		a.Writes[0].Events[0].Value = make([]byte, b.max)
		_, err := c.Append(t.Context(), topic, a)
		if large, ok := errors.AsType[*TooLargeError](err); !ok || large.Max >= b.max {
			t.Errorf("got %v", err)
		}
	})
}

func TestShardsDoNotWaitForEachOther(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBroker(2)
		stuck := make(chan struct{})
		b.append = func(req wire.AppendRequest) (wire.AppendResponse, error) {
			if wire.ShardOf(req.Appends[0].Writes[0].Partition, 2) == 0 {
				<-stuck
			}
			return b.store(req), nil
		}
		c, topic := b.connect(t, Config{})
		done := make(chan error)
		go func() {
			_, err := c.Append(t.Context(), topic, one(streamOf(0, 2), NoStream))
			done <- err
		}()
		synctest.Wait()
		if _, err := c.Append(t.Context(), topic, one(streamOf(1, 2), NoStream)); err != nil {
			t.Error(err)
		}
		close(stuck)
		if err := <-done; err != nil {
			t.Error(err)
		}
		both := Append{Writes: []Write{one(streamOf(0, 2), NoStream).Writes[0], one(streamOf(1, 2), NoStream).Writes[0]}}
		if _, err := c.Append(t.Context(), topic, both); !errors.Is(err, ErrInvalid) || !strings.Contains(err.Error(), "{group}") {
			t.Errorf("got %v, want ErrInvalid with a way out", err)
		}
	})
}

// streamOf is a stream of a shard.
func streamOf(shard, shards int) string {
	for i := 0; ; i++ {
		if s := fmt.Sprintf("account-%d", i); wire.ShardOf(partitioner.Partition(s, testPartitions), shards) == shard {
			return s
		}
	}
}

func TestCancel(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBroker(1)
		b.append = func(wire.AppendRequest) (wire.AppendResponse, error) { return wire.AppendResponse{}, errLost }
		c, topic := b.connect(t, Config{})
		ctx, cancel := context.WithCancel(t.Context())
		inFlight, queued := make(chan error, 1), make(chan error, 1)
		id := uuid.Must(uuid.NewV7())
		go func() {
			a := one("account-alice", NoStream)
			a.Writes[0].Events[0].ID = id
			_, err := c.Append(ctx, topic, a)
			inFlight <- err
		}()
		synctest.Wait()
		go func() {
			_, err := c.Append(ctx, topic, one("account-queued", NoStream))
			queued <- err
		}()
		synctest.Wait()
		cancel()
		err := <-inFlight
		indefinite, ok := errors.AsType[*IndefiniteError](err)
		if !ok || !errors.Is(err, context.Canceled) {
			t.Fatalf("in flight: got %v, want an IndefiniteError of context.Canceled", err)
		}
		if diff := cmp.Diff([]uuid.UUID{id}, indefinite.IDs); diff != "" {
			t.Errorf("ids differ (-want +got):\n%s", diff)
		}
		if err := <-queued; !errors.Is(err, context.Canceled) || errors.Is(err, ErrIndefinite) {
			t.Errorf("queued: got %v, want context.Canceled alone", err)
		}

		b.append = nil
		if _, err := c.Append(t.Context(), topic, one("account-later", NoStream)); err != nil {
			t.Error(err)
		}
		for _, req := range b.appends {
			for _, a := range req.Appends {
				if string(a.Writes[0].Stream) == "account-queued" {
					t.Error("a cancelled append was sent")
				}
			}
		}
		if _, err := c.Append(ctx, topic, one("account-late", NoStream)); !errors.Is(err, context.Canceled) {
			t.Errorf("after the cancellation: got %v", err)
		}
	})
}

func TestAFullQueueRefusesAfterABoundedWait(t *testing.T) {
	tests := map[string]Config{
		"count": {QueueAppendsMax: 2},
		"bytes": {QueueBytesMax: 1}, // raised to the size of one append
	}
	for name, cfg := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newBroker(1)
				open := make(chan struct{})
				b.append = func(req wire.AppendRequest) (wire.AppendResponse, error) {
					<-open
					return b.store(req), nil
				}
				cfg.RequestTimeout = time.Hour
				c, topic := b.connect(t, cfg)
				large := one("account-alice", Any)
				large.Writes[0].Events = []NewRecord{{Value: make([]byte, 1<<20)}, {Value: make([]byte, 1<<20-100)}}
				done := make(chan error)
				for range 2 {
					go func() {
						_, err := c.Append(t.Context(), topic, large)
						done <- err
					}()
				}
				synctest.Wait()
				begin := time.Now()
				_, err := c.Append(t.Context(), topic, large)
				if !errors.Is(err, ErrOverloaded) || time.Since(begin) != 5*time.Second {
					t.Errorf("got %v after %v", err, time.Since(begin))
				}
				ctx, cancel := context.WithTimeout(t.Context(), time.Second)
				defer cancel()
				if _, err := c.Append(ctx, topic, large); !errors.Is(err, context.DeadlineExceeded) {
					t.Errorf("got %v, want the context's error", err)
				}
				close(open)
				for range 2 {
					if err := <-done; err != nil {
						t.Error(err)
					}
				}
				if _, err := c.Append(t.Context(), topic, large); err != nil {
					t.Errorf("with room again: %v", err)
				}
			})
		})
	}
}

func TestClose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBroker(1)
		b.append = func(wire.AppendRequest) (wire.AppendResponse, error) { return wire.AppendResponse{}, errLost }
		c, topic := b.connect(t, Config{})
		inFlight, queued := make(chan error, 1), make(chan error, 1)
		go func() {
			_, err := c.Append(t.Context(), topic, one("account-alice", NoStream))
			inFlight <- err
		}()
		synctest.Wait()
		go func() {
			_, err := c.Append(t.Context(), topic, one("account-queued", NoStream))
			queued <- err
		}()
		synctest.Wait()
		if err := c.Close(); err != nil {
			t.Fatal(err)
		}
		if err := <-inFlight; !errors.Is(err, ErrIndefinite) {
			t.Errorf("in flight: got %v, want ErrIndefinite", err)
		}
		if err := <-queued; !errors.Is(err, ErrClosed) || errors.Is(err, ErrIndefinite) {
			t.Errorf("queued: got %v, want ErrClosed alone", err)
		}
		if !b.closed {
			t.Error("the connection is open")
		}
		if err := c.Close(); err != nil {
			t.Errorf("the second time: %v", err)
		}
		other := topic
		other.ID = uuid.Max
		for _, topic := range []Topic{topic, other} {
			if _, err := c.Append(t.Context(), topic, one("account-late", NoStream)); !errors.Is(err, ErrClosed) {
				t.Errorf("append: got %v, want ErrClosed", err)
			}
		}
		if _, err := c.Topic(t.Context(), "events"); !errors.Is(err, ErrClosed) {
			t.Errorf("topic: got %v, want ErrClosed", err)
		}
		for _, err := range c.Records(t.Context(), topic, 0, Range{}) {
			if !errors.Is(err, ErrClosed) {
				t.Errorf("records: got %v, want ErrClosed", err)
			}
		}
	})
}

func TestAppendToAShardThatDoesNotServe(t *testing.T) {
	tests := []struct {
		name   string
		change func(*wire.TopicInfo)
		want   error
		after  time.Duration
	}{
		{"deleted and created again", func(i *wire.TopicInfo) { i.ID = uuid.Max }, ErrUnknownTopic, 0},
		{"corrupt", func(i *wire.TopicInfo) { i.Shard[0].State = wire.ShardCorrupt }, ErrCorrupt, 0},
		{"diverged", func(i *wire.TopicInfo) { i.Shard[0].State = wire.ShardDiverged }, ErrLogDiverged, 0},
		{"fencing for too long", func(i *wire.TopicInfo) { i.Shard[0].State = wire.ShardFencing }, ErrUnavailable, 20 * time.Second},
		{"no shard", func(i *wire.TopicInfo) { i.Shard = nil }, ErrUnavailable, 20 * time.Second},
		{"no session", func(i *wire.TopicInfo) { i.Shard[0].Session = 0 }, ErrUnavailable, 20 * time.Second},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newBroker(1)
				c, topic := b.connect(t, Config{})
				tt.change(&b.topic)
				for range 2 { // an appender that stopped is replaced
					begin := time.Now()
					_, err := c.Append(t.Context(), topic, one("account-alice", NoStream))
					if !errors.Is(err, tt.want) || errors.Is(err, ErrIndefinite) {
						t.Errorf("got %v, want %v", err, tt.want)
					}
					if d := time.Since(begin); d != tt.after {
						t.Errorf("after %v", d)
					}
				}
			})
		})
	}
}

func TestTheHighestEpochIsKept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBroker(1)
		older := b.topic
		b.elect(0)
		c, topic := b.connect(t, Config{})
		if _, err := c.Append(t.Context(), topic, one("account-alice", NoStream)); err != nil {
			t.Fatal(err)
		}
		sends := 0
		b.append = func(req wire.AppendRequest) (wire.AppendResponse, error) {
			if sends++; sends < 3 {
				return wire.AppendResponse{}, errDisconnect
			}
			return b.store(req), nil
		}
		// A node that lags names a session that has ended.
		b.catalogue = func(string, wire.TopicRequest) (wire.TopicResponse, error) {
			return wire.TopicResponse{Topics: []wire.TopicInfo{older}}, nil
		}
		if _, err := c.Append(t.Context(), topic, one("account-alice", Any)); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff([]uint64{0, 0, 2, 2}, b.since()); diff != "" {
			t.Errorf("what was said of earlier sends differs (-want +got):\n%s", diff)
		}
	})
}

func TestRoutesAreAskedForOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBroker(1)
		c, topic := b.connect(t, Config{})
		for range 100 {
			if _, err := c.Append(t.Context(), topic, one("account-alice", Any)); err != nil {
				t.Fatal(err)
			}
		}
		if b.described != 1 {
			t.Errorf("the topic was described %d times", b.described)
		}
	})
}

func TestAppendChecksBeforeItSends(t *testing.T) {
	c, topic := newBroker(2).connect(t, Config{})
	event := []NewRecord{{}}
	write := func(w Write) Append { return Append{Writes: []Write{w}} }
	header := func(h ...Header) Append {
		return write(Write{Stream: "a-b", CommandID: "c", Events: []NewRecord{{Headers: h}}})
	}
	half := make([]byte, wire.RecordBytesMax/2+1)
	tests := []struct {
		name  string
		topic Topic
		a     Append
		want  error
		names string
	}{
		{"no topic", Topic{Name: "x"}, one("a-b", Any), ErrInvalid, "x"},
		{"no write", topic, Append{}, ErrInvalid, "write"},
		{"no stream", topic, write(Write{Events: event}), ErrInvalidName, "stream"},
		{"long stream", topic, write(Write{Stream: strings.Repeat("x", 256), Events: event}), ErrInvalidName, "256"},
		{"stream that is not UTF-8", topic, write(Write{Stream: "a\xff", Events: event}), ErrInvalidName, "UTF-8"},
		{"stream with a control character", topic, write(Write{Stream: "a\nb", Events: event}), ErrInvalidName, `'\n' at byte 1`},
		{"no event", topic, write(Write{Stream: "a-b"}), ErrInvalid, "a-b"},
		{"no such expectation", topic, write(Write{Stream: "a-b", Expected: -3, Events: event}), ErrInvalid, "-3"},
		{"long command id", topic, write(Write{Stream: "a-b", CommandID: strings.Repeat("x", 256), Events: event}), ErrInvalidName, "command id"},
		{"stream twice", topic, Append{Writes: []Write{{Stream: "a-b", Events: event}, {Stream: "a-b", Events: event}}}, ErrInvalid, "twice"},
		{"command id over two writes", topic, Append{Writes: []Write{{Stream: "a-b", CommandID: "c", Events: event}, {Stream: "{a-b}c", Events: event}}}, ErrInvalid, "command id"},
		{"many writes", topic, Append{Writes: make([]Write, wire.WritesMax+1)}, ErrAppendTooLarge, "writes"},
		{"many events", topic, write(Write{Stream: "a-b", Events: make([]NewRecord, wire.EventsMax+1)}), ErrAppendTooLarge, "events"},
		{"large value", topic, write(Write{Stream: "a-b", Events: []NewRecord{{Value: make([]byte, wire.RecordBytesMax+1)}}}), ErrAppendTooLarge, "value"},
		{"large headers", topic, header(Header{"h", make([]byte, wire.HeadersBytesMax)}), ErrAppendTooLarge, "header"},
		{"large append", topic, write(Write{Stream: "a-b", Events: slices.Repeat([]NewRecord{{Value: half}}, 9)}), ErrAppendTooLarge, "append bytes"},
		{"large once stored", topic, write(Write{
			Stream: strings.Repeat("s", 255), CommandID: strings.Repeat("c", 255), Events: slices.Repeat([]NewRecord{{Value: half[:380]}}, wire.EventsMax),
		}), ErrAppendTooLarge, "names"},
		{"the broker's header", topic, header(Header{wire.HeaderVersion, nil}), ErrInvalidName, `"v"`},
		{"another command id", topic, header(Header{wire.HeaderCommandID, []byte("d")}), ErrInvalidName, "command-id"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := c.Append(t.Context(), tt.topic, tt.a)
			if !errors.Is(err, tt.want) {
				t.Fatalf("got %v, want %v", err, tt.want)
			}
			if !strings.Contains(err.Error(), tt.names) {
				t.Errorf("%q does not name %s", err, tt.names)
			}
		})
	}
}
