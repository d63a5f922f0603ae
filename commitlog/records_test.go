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
	"github.com/strandlog/strand/internal/recordbatch"
	"github.com/strandlog/strand/internal/wire"
)

// partitionLog answers fetches from batches of the given numbers of records; each answer holds at most two batches.
type partitionLog struct {
	mu      sync.Mutex
	batches [][]byte
	next    int64
	fetches []wire.FetchRequest
	grown   chan struct{} // closed when records were added
}

func newPartitionLog(counts ...int) *partitionLog {
	p := &partitionLog{grown: make(chan struct{})}
	for _, n := range counts {
		p.add(n)
	}
	return p
}

func (p *partitionLog) add(n int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	var b recordbatch.Builder
	b.Reset(p.next, 1750000000000, testEpoch)
	for i := range n {
		headers := recordbatch.AppendHeader(nil, wire.HeaderType, []byte("account.opened"))
		headers = recordbatch.AppendHeader(headers, "own", nil)
		b.Append(recordbatch.Entry{
			Timestamp: 1750000000000 + int64(i), Key: []byte("account-alice"), Value: fmt.Append(nil, p.next+int64(i)), HeaderCount: 2, Headers: headers,
		})
	}
	p.next += int64(n)
	p.batches = append(p.batches, b.AppendTo(nil))
	close(p.grown)
	p.grown = make(chan struct{})
}

func (p *partitionLog) fetch(ctx context.Context, req wire.FetchRequest) (wire.FetchResponse, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.fetches = append(p.fetches, req)
	resp := wire.FetchResponse{Epoch: testEpoch, HighWatermark: p.next}
	if req.Offset > p.next {
		resp.Code = wire.OffsetRange
		return resp, nil
	}
	if req.Offset == p.next && req.MaxWaitMS > 0 {
		grown := p.grown
		p.mu.Unlock()
		timer := time.NewTimer(time.Duration(req.MaxWaitMS) * time.Millisecond)
		select {
		case <-grown:
		case <-timer.C:
		case <-ctx.Done():
		}
		timer.Stop()
		p.mu.Lock()
		resp.HighWatermark = p.next
	}
	for answered, i := 0, 0; answered < 2 && i < len(p.batches); i++ {
		info, err := recordbatch.Peek(p.batches[i])
		if err != nil {
			return resp, err
		}
		if info.Next() > req.Offset {
			resp.Batches = append(resp.Batches, p.batches[i]...)
			answered++
		}
	}
	return resp, nil
}

// offsets reads a range and returns the offsets and the error at the end.
func offsets(ctx context.Context, c *Client, topic Topic, r Range) (got []int64, err error) {
	for rec, err := range c.Records(ctx, topic, 1, r) {
		if err != nil {
			return got, err
		}
		got = append(got, rec.Offset)
	}
	return got, nil
}

func span(from, to int64) (offsets []int64) {
	for o := from; o < to; o++ {
		offsets = append(offsets, o)
	}
	return offsets
}

func TestRecords(t *testing.T) {
	tests := []struct {
		name string
		r    Range
		want []int64
	}{
		{"all", Range{}, span(0, 12)},
		{"from the middle of a batch", Range{From: 4}, span(4, 12)},
		{"to the middle of a batch", Range{To: 9}, span(0, 9)},
		{"within a batch", Range{From: 4, To: 5}, span(4, 5)},
		{"at the end", Range{From: 12}, nil},
		{"beyond the end", Range{From: 10, To: 100}, span(10, 12)},
		{"nothing", Range{From: 5, To: 5}, nil},
		{"less than nothing", Range{From: 5, To: 4}, nil},
		{"live with an end", Range{From: 10, To: 12, Live: true}, span(10, 12)},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newBroker(1)
				b.fetch = newPartitionLog(3, 1, 4, 2, 2).fetch
				c, topic := b.connect(t, Config{})
				got, err := offsets(t.Context(), c, topic, tt.r)
				if err != nil {
					t.Fatal(err)
				}
				if diff := cmp.Diff(tt.want, got); diff != "" {
					t.Errorf("offsets differ (-want +got):\n%s", diff)
				}
			})
		})
	}
}

func TestARecordIsWhatWasStored(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBroker(1)
		b.fetch = newPartitionLog(2).fetch
		c, topic := b.connect(t, Config{})
		for got, err := range c.Records(t.Context(), topic, 1, Range{From: 1}) {
			if err != nil {
				t.Fatal(err)
			}
			want := Record{
				Partition: 1, Offset: 1, Epoch: testEpoch, Time: time.UnixMilli(1750000000001).UTC(), Key: []byte("account-alice"), Value: []byte("1"),
				Headers: []Header{{wire.HeaderType, []byte("account.opened")}, {"own", nil}},
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("record differs (-want +got):\n%s", diff)
			}
		}
	})
}

func TestAnEmptyPartitionEndsAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBroker(1)
		b.fetch = newPartitionLog().fetch
		c, topic := b.connect(t, Config{})
		if got, err := offsets(t.Context(), c, topic, Range{}); len(got) > 0 || err != nil {
			t.Errorf("got %v, %v", got, err)
		}
	})
}

// The end of a range is the end as of the first answer, also when later answers hold more.
func TestTheEndIsThatOfTheFirstAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBroker(1)
		log := newPartitionLog(3, 3, 3)
		b.fetch = log.fetch
		c, topic := b.connect(t, Config{})
		var got []int64
		for rec, err := range c.Records(t.Context(), topic, 1, Range{}) {
			if err != nil {
				t.Fatal(err)
			}
			if got = append(got, rec.Offset); len(got) == 1 {
				log.add(5)
			}
		}
		if diff := cmp.Diff(span(0, 9), got); diff != "" {
			t.Errorf("offsets differ (-want +got):\n%s", diff)
		}
	})
}

func TestLiveRecords(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBroker(1)
		log := newPartitionLog(2)
		b.fetch = log.fetch
		c, topic := b.connect(t, Config{})
		ctx, cancel := context.WithCancel(t.Context())
		go func() {
			wait(ctx, time.Minute) // longer than any timeout
			log.add(1)
			wait(ctx, time.Hour)
			b.elect(0) // while a fetch waits
			log.add(3)
			wait(ctx, time.Second)
			cancel()
		}()
		got, err := offsets(ctx, c, topic, Range{From: 1, Live: true})
		if !errors.Is(err, context.Canceled) {
			t.Errorf("it ended with %v", err)
		}
		if diff := cmp.Diff(span(1, 6), got); diff != "" {
			t.Errorf("offsets differ (-want +got):\n%s", diff)
		}
	})
}

func TestALiveReadDoesNotSpin(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBroker(1)
		log := newPartitionLog(1)
		b.fetch = func(ctx context.Context, req wire.FetchRequest) (wire.FetchResponse, error) {
			req.MaxWaitMS = 0
			return log.fetch(ctx, req)
		}
		c, topic := b.connect(t, Config{})
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := offsets(ctx, c, topic, Range{Live: true}); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("it ended with %v", err)
		}
		if n := len(log.fetches); n > 250 {
			t.Errorf("%d fetches in a second", n)
		}
	})
}

func TestTheNextFetchIsAhead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBroker(1)
		log := newPartitionLog(3, 1, 1, 4, 2, 2)
		b.fetch = log.fetch
		c, topic := b.connect(t, Config{})
		for _, err := range c.Records(t.Context(), topic, 1, Range{}) {
			if err != nil {
				t.Fatal(err)
			}
			synctest.Wait()
			if n := len(log.fetches); n != 2 {
				t.Errorf("%d fetches while the first record is looked at, want 2", n)
			}
			break
		}
	})
}

func TestReadersNeverGoBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBroker(1)
		log := newPartitionLog(3)
		var lags int
		b.fetch = func(ctx context.Context, req wire.FetchRequest) (wire.FetchResponse, error) {
			if req.MinEpoch != 0 && lags < 2 { // a former leader that does not know it yet
				lags++
				return wire.FetchResponse{Epoch: req.MinEpoch - 1}, nil
			}
			return log.fetch(ctx, req)
		}
		c, topic := b.connect(t, Config{})
		b.offset = 3
		a, err := c.Append(t.Context(), topic, one(streamOfPartition(1), NoStream))
		if err != nil {
			t.Fatal(err)
		}
		log.add(1)
		if got, err := offsets(t.Context(), c, topic, Range{}); err != nil || len(got) != 4 {
			t.Errorf("got %v, %v", got, err)
		}
		req := log.fetches[0]
		if req.MinEpoch != testEpoch || req.MinOffset != a.Writes[0].FirstOffset+1 || lags != 2 {
			t.Errorf("after an append at %d, asked for at least epoch %d, offset %d", a.Writes[0].FirstOffset, req.MinEpoch, req.MinOffset)
		}
	})
}

func streamOfPartition(p int) string { return streamOf(p, testPartitions) }

func TestFetchesAreRepeated(t *testing.T) {
	answer := func(code wire.Code) func() (wire.FetchResponse, error) {
		return func() (wire.FetchResponse, error) { return wire.FetchResponse{Code: code}, nil }
	}
	failures := map[string]func() (wire.FetchResponse, error){
		"lost":         func() (wire.FetchResponse, error) { return wire.FetchResponse{}, errLost },
		"disconnected": func() (wire.FetchResponse, error) { return wire.FetchResponse{}, errDisconnect },
		"nobody":       func() (wire.FetchResponse, error) { return wire.FetchResponse{}, errNobody },
		"not leader":   answer(wire.NotLeader),
		"stale":        answer(wire.Stale),
		"retry":        answer(wire.Retry),
		"overloaded":   answer(wire.Overloaded),
		"internal":     answer(wire.Internal),
		"held back": func() (wire.FetchResponse, error) {
			return wire.FetchResponse{Epoch: testEpoch, HighWatermark: 99}, nil
		},
	}
	for name, failure := range failures {
		for _, live := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, live %t", name, live), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					b := newBroker(1)
					log := newPartitionLog(3, 4, 5)
					n := 0
					b.fetch = func(ctx context.Context, req wire.FetchRequest) (wire.FetchResponse, error) {
						if n++; n%3 != 0 {
							if n == 4 {
								b.elect(0)
							}
							return failure()
						}
						return log.fetch(ctx, req)
					}
					c, topic := b.connect(t, Config{})
					got, err := offsets(t.Context(), c, topic, Range{From: 1, To: 12, Live: live})
					if err != nil {
						t.Fatal(err)
					}
					if diff := cmp.Diff(span(1, 12), got); diff != "" {
						t.Errorf("offsets differ (-want +got):\n%s", diff)
					}

					b.fetch = func(context.Context, wire.FetchRequest) (wire.FetchResponse, error) { return failure() }
					ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
					defer cancel()
					begin := time.Now()
					_, err = offsets(ctx, c, topic, Range{From: 1, To: 12, Live: live})
					if live {
						if !errors.Is(err, context.DeadlineExceeded) || time.Since(begin) != time.Minute {
							t.Errorf("live: got %v after %v", err, time.Since(begin))
						}
					} else if !errors.Is(err, ErrUnavailable) || time.Since(begin) != 20*time.Second {
						t.Errorf("got %v after %v", err, time.Since(begin))
					}
				})
			})
		}
	}
}

func TestDamageEndsTheSequence(t *testing.T) {
	good := newPartitionLog(3, 4)
	flipped := newPartitionLog(3, 4)
	flipped.batches[1][70] ^= 1
	overlapping := newPartitionLog(2)
	overlapping.next = 1
	overlapping.add(3)
	twice := newPartitionLog(3)
	twice.batches = append(twice.batches, twice.batches[0])
	answer := func(batches ...[]byte) wire.FetchResponse {
		return wire.FetchResponse{Epoch: testEpoch, HighWatermark: 7, Batches: slices.Concat(batches...)}
	}
	tests := []struct {
		name string
		resp wire.FetchResponse
		want error
		good int // records before the damage
	}{
		{"flipped bit", answer(flipped.batches...), ErrCorrupt, 3},
		{"gap", answer(good.batches[1]), ErrCorrupt, 0},
		{"repeated batch", answer(twice.batches...), ErrCorrupt, 3},
		{"overlapping batch", answer(overlapping.batches...), ErrCorrupt, 2},
		{"cut batch", answer(good.batches[0], good.batches[1][:80]), ErrCorrupt, 3},
		{"shard corrupt", wire.FetchResponse{Code: wire.Corrupt, Detail: "seq 7"}, ErrCorrupt, 0},
		{"diverged", wire.FetchResponse{Code: wire.LogDiverged}, ErrLogDiverged, 0},
		{"offset out of range", wire.FetchResponse{Code: wire.OffsetRange, Start: 5, HighWatermark: 9}, ErrOffsetOutOfRange, 0},
		{"topic deleted", wire.FetchResponse{Code: wire.UnknownTopic}, ErrUnknownTopic, 0},
		{"invalid", wire.FetchResponse{Code: wire.Invalid}, ErrInvalid, 0},
	}
	for _, tt := range tests {
		for _, live := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, live %t", tt.name, live), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					b := newBroker(1)
					b.fetch = func(context.Context, wire.FetchRequest) (wire.FetchResponse, error) { return tt.resp, nil }
					c, topic := b.connect(t, Config{})
					got, err := offsets(t.Context(), c, topic, Range{Live: live})
					if !errors.Is(err, tt.want) || len(got) != tt.good {
						t.Errorf("got %v, %v; want %d records, then %v", got, err, tt.good, tt.want)
					}
					if corrupt, ok := errors.AsType[*CorruptError](err); ok && (corrupt.Topic != "events" || corrupt.Partition != 1) {
						t.Errorf("%v does not name the partition", err)
					}
				})
			})
		}
	}
}

func TestRecordsChecksBeforeItAsks(t *testing.T) {
	c, topic := newBroker(1).connect(t, Config{})
	for _, tt := range []struct {
		topic     Topic
		partition int32
		r         Range
		want      error
	}{
		{Topic{Name: "events"}, 0, Range{}, ErrInvalid},
		{topic, -1, Range{}, ErrInvalid},
		{topic, testPartitions, Range{}, ErrInvalid},
		{topic, 0, Range{From: -1}, ErrOffsetOutOfRange},
	} {
		n := 0
		for _, err := range c.Records(t.Context(), tt.topic, tt.partition, tt.r) {
			if n++; !errors.Is(err, tt.want) {
				t.Errorf("got %v, want %v", err, tt.want)
			}
		}
		if n != 1 {
			t.Errorf("%d yields, want 1", n)
		}
	}
}

func TestASequenceCanBeReadAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBroker(1)
		b.fetch = newPartitionLog(3).fetch
		c, topic := b.connect(t, Config{})
		records := c.Records(t.Context(), topic, 1, Range{})
		for range 2 {
			n := 0
			for _, err := range records {
				if err != nil {
					t.Fatal(err)
				}
				n++
			}
			if n != 3 {
				t.Errorf("%d records", n)
			}
		}
	})
}

// The headers of a batch's records share few slices, and only a key of the user's own costs a string.
func TestRecordsCostFewAllocations(t *testing.T) {
	const records = 1000
	batch, _, err := recordbatch.Parse(newPartitionLog(records).batches[0])
	if err != nil {
		t.Fatal(err)
	}
	allocs := testing.AllocsPerRun(10, func() {
		got := fetched{batches: []recordbatch.Batch{batch}, end: records}
		if _, err := yieldRecords(got, &reader{}, func(r Record, _ error) bool { return len(r.Headers) == 2 }); err != nil {
			t.Fatal(err)
		}
	})
	if allocs > records+10 {
		t.Errorf("%v allocations for %d records with one own key each", allocs, records)
	}
}

func TestHeaderKeysAreInterned(t *testing.T) {
	for key := range strings.FieldsSeq("id v p type content command-id correlation-id causation-id traceparent tenant actor tag") {
		b := []byte(key)
		var got string
		if allocs := testing.AllocsPerRun(10, func() { got = headerKey(b) }); allocs != 0 || got != key {
			t.Errorf("%s: %q with %v allocations", key, got, allocs)
		}
	}
}
