package eventstoretest

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/strandlog/strand/commitlog"
)

// one returns a topic of one partition that holds n events with the values 0 to n-1, in streams of three events.
func (s *subject) one(n int) commitlog.Topic {
	s.Helper()
	t := s.create(commitlog.TopicConfig{Name: newName(), Partitions: 1})
	for i := range n {
		s.mustAppend(t, write(fmt.Sprintf("note-%d", i/3), commitlog.Expected(i%3), fmt.Sprint(i)))
	}
	return t
}

// values are those of a partition's records.
func values(records []commitlog.Record) []string {
	values := []string{}
	for _, r := range records {
		values = append(values, string(r.Value))
	}
	return values
}

func (s *subject) testPartitionOrder() {
	t := s.newTopic()
	want := make([][]string, partitions)
	for i := range 100 {
		done := s.mustAppend(t, write(fmt.Sprintf("note-%d", i%20), commitlog.Any, fmt.Sprint(i), fmt.Sprint(-i)))
		w := done.Writes[0]
		if w.FirstOffset != int64(len(want[w.Partition])) || w.Epoch == 0 {
			s.Fatalf("append %d is stored at %+v, partition %d holds %d events before it", i, w, w.Partition, len(want[w.Partition]))
		}
		want[w.Partition] = append(want[w.Partition], fmt.Sprint(i), fmt.Sprint(-i))
	}
	for p, want := range want {
		records := s.partition(t, int32(p), commitlog.Range{})
		if got := values(records); !slices.Equal(got, want) {
			s.Errorf("partition %d holds %q, want %q", p, got, want)
		}
		for i, r := range records {
			if r.Offset != int64(i) || r.Partition != int32(p) {
				s.Errorf("record %d of partition %d says partition %d, offset %d", i, p, r.Partition, r.Offset)
			}
		}
	}
}

// testGroups also holds drivers to one partitioner: what murmur2 of Kafka's default partitioner says.
func (s *subject) testGroups() {
	t := s.create(commitlog.TopicConfig{Name: newName(), Partitions: 8})
	for stream, want := range map[string]int32{
		"account-alice": 4, "account-bob": 5, "note-{a": 4,
		"order-{c42}-7": 4, "invoice-{c42}-9": 4, "{c42}": 4, "note-a": 7,
	} {
		if w := s.mustAppend(t, write(stream, commitlog.NoStream, "1")).Writes[0]; w.Partition != want {
			s.Errorf("stream %q lies in partition %d of 8, want %d", stream, w.Partition, want)
		}
	}
}

func (s *subject) testRanges() {
	t := s.one(7)
	all := []string{"0", "1", "2", "3", "4", "5", "6"}
	for _, test := range []struct {
		from, to int64
		want     []string
	}{
		{0, 0, all}, {0, 7, all}, {0, 99, all}, {0, 1, all[:1]}, {3, 5, all[3:5]}, {3, 0, all[3:]}, {6, 7, all[6:]},
		{commitlog.Earliest, 0, all}, {commitlog.Earliest, 2, all[:2]}, {commitlog.Latest, 0, nil},
		{7, 0, nil}, {7, 9, nil}, {5, 5, nil}, {5, 3, nil}, {0, -1, nil},
	} {
		if got := values(s.partition(t, 0, commitlog.Range{From: test.from, To: test.to})); !slices.Equal(got, test.want) {
			s.Errorf("from %d to %d: %q, want %q", test.from, test.to, got, test.want)
		}
	}
}

func (s *subject) testBadRanges() {
	t := s.one(3)
	for _, live := range []bool{false, true} {
		for _, from := range []int64{-1, 4, 1 << 62} {
			err := errorOf(s, s.log.Records(s.within(), t, 0, commitlog.Range{From: from, Live: live}))
			wantErr(s, fmt.Sprintf("reading from %d, live: %t", from, live), err, commitlog.ErrOffsetOutOfRange, t.Name)
			if out, ok := errors.AsType[*commitlog.OffsetRangeError](err); ok && out.Offset != from {
				s.Errorf("reading from %d: the details are %+v", from, *out)
			}
		}
		for _, partition := range []int32{-1, 1, 1 << 30} {
			err := errorOf(s, s.log.Records(s.within(), t, partition, commitlog.Range{Live: live}))
			wantErr(s, fmt.Sprintf("reading partition %d, live: %t", partition, live), err, commitlog.ErrInvalid, fmt.Sprint(partition))
		}
	}
	err := errorOf(s, s.log.Stream(s.Context(), t, commitlog.StreamQuery{Stream: "note-0", From: -1}))
	wantErr(s, "reading a stream from version -1", err, commitlog.ErrInvalid, "note-0")
}

func (s *subject) testStreamFrom() {
	t := s.newTopic()
	s.mustAppend(t, write("note-a", commitlog.NoStream, "1", "2", "3"))
	s.mustAppend(t, write("note-b", commitlog.NoStream, "b"))
	for _, strict := range []bool{false, true} {
		for from, want := range [][]string{{"1", "2", "3"}, {"1", "2", "3"}, {"2", "3"}, {"3"}, {}, {}} {
			records := s.stream(t, commitlog.StreamQuery{Stream: "note-a", From: int64(from), Strict: strict})
			if got := texts(records); !slices.Equal(got, want) {
				s.Errorf("from version %d, strict: %t: %q, want %q", from, strict, got, want)
			}
			for i, r := range records {
				if r.Version != int64(max(from, 1)+i) {
					s.Errorf("from version %d, event %d is version %d", from, i, r.Version)
				}
			}
		}
		for _, stream := range []string{"note-c", "note", "a"} {
			if records := s.stream(t, commitlog.StreamQuery{Stream: stream, Strict: strict}); len(records) != 0 {
				s.Errorf("stream %q, which does not exist, has %d events", stream, len(records))
			}
		}
	}
}

func (s *subject) testStreamEnds() {
	t := s.newTopic()
	s.mustAppend(t, write("note-a", commitlog.NoStream, "1", "2", "3"))
	n := 0
	for r, err := range s.log.Stream(s.within(), t, commitlog.StreamQuery{Stream: "note-a"}) {
		if n++; err != nil || r.Version != int64(n) || n > 3 {
			s.Fatalf("event %d is version %d, error %v", n, r.Version, err)
		}
		s.mustAppend(t, write("note-a", commitlog.Any, "later"))
	}
	if n != 3 {
		s.Errorf("%d events came, want 3", n)
	}
}

func (s *subject) testRangeEnds() {
	t := s.one(5)
	n := 0
	for r, err := range s.log.Records(s.within(), t, 0, commitlog.Range{}) {
		if n++; err != nil || r.Offset != int64(n)-1 || n > 5 {
			s.Fatalf("record %d has offset %d, error %v", n, r.Offset, err)
		}
		s.mustAppend(t, write("note-later", commitlog.Any, "later"))
	}
	if n != 5 {
		s.Errorf("%d records came, want 5", n)
	}
}

func (s *subject) testBreak() {
	t := s.one(6)
	records := s.log.Records(s.Context(), t, 0, commitlog.Range{})
	stream := s.log.Stream(s.Context(), t, commitlog.StreamQuery{Stream: "note-1"})
	live := s.log.Records(s.within(), t, 0, commitlog.Range{Live: true})
	for range 2 { // a sequence begins anew with each loop
		for r, err := range records {
			if err != nil || r.Offset != 0 {
				s.Fatalf("the first record has offset %d, error %v", r.Offset, err)
			}
			break
		}
		for r, err := range stream {
			if err != nil || r.Version != 1 {
				s.Fatalf("the first event is version %d, error %v", r.Version, err)
			}
			break
		}
		n := 0
		for r, err := range live {
			if err != nil || r.Offset != int64(n) {
				s.Fatalf("record %d has offset %d, error %v", n, r.Offset, err)
			}
			if n++; n == 6 {
				break
			}
		}
	}
}

func (s *subject) testEndedRead() {
	t := s.one(3)
	ended, end := context.WithCancel(s.Context())
	end()
	if err := errorOf(s, s.log.Records(ended, t, 0, commitlog.Range{})); !errors.Is(err, context.Canceled) {
		s.Errorf("a partition: %v", err)
	}
	if err := errorOf(s, s.log.Stream(ended, t, commitlog.StreamQuery{Stream: "note-0"})); !errors.Is(err, context.Canceled) {
		s.Errorf("a stream: %v", err)
	}

	// One that waits for more is woken up, or ends before it waits.
	waiting, wake := context.WithCancel(s.within())
	defer wake()
	n := 0
	var last error
	for _, err := range s.log.Records(waiting, t, 0, commitlog.Range{Live: true}) {
		if last = err; err != nil {
			break
		}
		if n++; n == 3 {
			go wake()
		}
	}
	if n != 3 || !errors.Is(last, context.Canceled) {
		s.Errorf("a live read of 3 records yields %d and ends by %v", n, last)
	}
}

func (s *subject) testLiveTo() {
	t := s.one(3)
	var got []string
	for r, err := range s.log.Records(s.within(), t, 0, commitlog.Range{From: 1, To: 5, Live: true}) {
		if err != nil {
			s.Fatal(err)
		}
		got = append(got, string(r.Value))
		s.mustAppend(t, write("note-later", commitlog.Any, "later"))
	}
	if want := []string{"1", "2", "later", "later"}; !slices.Equal(got, want) {
		s.Errorf("got %q, want %q", got, want)
	}
}

func (s *subject) testLive() {
	const writers, each = 4, 50
	t := s.one(10)
	ctx, cancel := context.WithCancel(s.within())
	defer cancel()
	done := make(chan struct{})
	go func() {
		defer close(done)
		parallel(writers, func(i int) {
			for range each {
				if _, err := s.append(t, write(fmt.Sprintf("note-w%d", i), commitlog.Any, "w")); err != nil {
					s.Errorf("appending: %v", err)
					cancel()
					return
				}
			}
		})
	}()
	parallel(3, func(reader int) {
		next := int64(reader)
		for r, err := range s.log.Records(ctx, t, 0, commitlog.Range{From: next, Live: true}) {
			if err != nil || r.Offset != next {
				s.Errorf("reader %d: offset %d comes where %d must be, error %v", reader, r.Offset, next, err)
				return
			}
			if next++; next == 10+writers*each {
				return
			}
		}
	})
	<-done
}
