package broker_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/strandlog/strand/brokerd/broker"
	"github.com/strandlog/strand/commitlog"
)

const groupPartitions = 4

// numbered makes a plain topic whose records are numbers, a key each for ten of them, and returns the client.
func numbered(t *testing.T, records int) (*commitlog.Client, commitlog.Topic) {
	t.Helper()
	client := start(t, broker.Config{}).Client()
	topic, err := client.CreateTopic(t.Context(), commitlog.TopicConfig{Name: "clicks", Kind: commitlog.Plain, Partitions: groupPartitions})
	if err != nil {
		t.Fatal(err)
	}
	send(t, client, topic, 0, records)
	return client, topic
}

func send(t *testing.T, client *commitlog.Client, topic commitlog.Topic, from, to int) {
	t.Helper()
	producer, err := client.Producer(t.Context(), topic, commitlog.ProducerConfig{})
	if err != nil {
		t.Fatal(err)
	}
	for i := from; i < to; i++ {
		if err := producer.Send(t.Context(), commitlog.Message{Key: fmt.Appendf(nil, "key-%d", i%10), Value: strconv.AppendInt(nil, int64(i), 10)}, nil); err != nil {
			t.Fatal(err)
		}
	}
	if err := producer.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// seen collects numbers, and tells when there are as many as somebody waits for.
type seen struct {
	mu      sync.Mutex
	numbers map[int]int // how often
	keys    map[string][]int
	changed chan struct{}
}

func newSeen() *seen {
	return &seen{numbers: map[int]int{}, keys: map[string][]int{}, changed: make(chan struct{}, 1)}
}

func (s *seen) add(key string, n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.numbers[n]++
	s.keys[key] = append(s.keys[key], n)
	select {
	case s.changed <- struct{}{}:
	default:
	}
}

func (s *seen) count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.numbers)
}

// await returns when so many different numbers were seen.
func (s *seen) await(t *testing.T, n int) {
	t.Helper()
	for s.count() < n {
		select {
		case <-s.changed:
		case <-time.After(30 * time.Second):
			t.Fatalf("%d of %d records were seen", s.count(), n)
		}
	}
}

// consume is the loop of a member.
func consume(s *seen) func(context.Context, *commitlog.Partition[int]) error {
	return func(ctx context.Context, p *commitlog.Partition[int]) error {
		for r, err := range p.Records(ctx) {
			if err != nil {
				return err
			}
			s.add(string(r.Key), r.Data)
		}
		return nil
	}
}

// joined runs a member until the function that it gives is called, which returns how it ended.
func joined(t *testing.T, client *commitlog.Client, group string, fn func(context.Context, *commitlog.Partition[int]) error, options ...commitlog.JoinOption) (stop func() error) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() {
		ended <- commitlog.Join(ctx, client, group, commitlog.JSON[int]("clicks"), fn, options...)
	}()
	return sync.OnceValue(func() error {
		cancel()
		select {
		case err := <-ended:
			return err
		case <-time.After(30 * time.Second):
			return errors.New("the member did not stop")
		}
	})
}

// TestGroup has a group read a topic: it commits at its end, and goes on from there.
func TestGroup(t *testing.T) {
	client, topic := numbered(t, 1000)
	s := newSeen()
	stop := joined(t, client, "dashboard", consume(s))
	s.await(t, 1000)
	if err := stop(); err != nil {
		t.Fatal(err)
	}
	g, err := client.Group(t.Context(), "dashboard")
	if err != nil {
		t.Fatal(err)
	}
	if g.State != "empty" || len(g.Members) != 0 {
		t.Errorf("after the member left: %+v", g)
	}
	now, err := client.Topic(t.Context(), topic.Name)
	if err != nil {
		t.Fatal(err)
	}
	for _, o := range g.Offsets {
		if end := now.Partitions[o.Partition].End; o.Offset != end && end > 0 {
			t.Errorf("partition %d is committed up to %d of %d", o.Partition, o.Offset, end)
		}
	}
	send(t, client, topic, 1000, 1100)
	again := newSeen()
	stop = joined(t, client, "dashboard", consume(again))
	again.await(t, 100)
	if err := stop(); err != nil {
		t.Fatal(err)
	}
	for n, times := range again.numbers {
		if n < 1000 || times != 1 {
			t.Fatalf("%d was read %d times by the member that came later", n, times)
		}
	}
	for key, numbers := range s.keys {
		if !slices.IsSorted(numbers) {
			t.Errorf("%s was read out of order: %v", key, numbers)
		}
	}
}

// TestGroupShares has two members share the partitions, and one take over what the other leaves.
func TestGroupShares(t *testing.T) {
	client, topic := numbered(t, 100)
	first, second := newSeen(), newSeen()
	stopFirst := joined(t, client, "dashboard", consume(first))
	first.await(t, 100)
	stopSecond := joined(t, client, "dashboard", consume(second))
	awaitGroup(t, client, "dashboard", func(g commitlog.Group) bool {
		return g.State == "stable" && g.Size == 2 && len(g.Members[1].Assigned) == 2
	})
	send(t, client, topic, 100, 200)
	for first.count()+second.count() < 200 {
		select {
		case <-first.changed:
		case <-second.changed:
		case <-time.After(30 * time.Second):
			t.Fatalf("%d and %d of 200 records were seen", first.count(), second.count())
		}
	}
	taken := second.count()
	if taken == 0 {
		t.Error("the second member read nothing")
	}
	if err := stopFirst(); err != nil {
		t.Fatal(err)
	}
	send(t, client, topic, 200, 300)
	second.await(t, taken+100)
	if err := stopSecond(); err != nil {
		t.Fatal(err)
	}
	for n, times := range second.numbers {
		if times != 1 || n < 100 {
			t.Errorf("the second member read %d %d times, though the first one had committed", n, times)
		}
	}
}

// awaitGroup returns when a group is as it should be.
func awaitGroup(t *testing.T, client *commitlog.Client, name string, ok func(commitlog.Group) bool) {
	t.Helper()
	deadline := time.Now().Add(30 * time.Second)
	for {
		g, err := client.Group(t.Context(), name)
		if err == nil && ok(g) {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("group %q is %+v, %v", name, g, err)
		}
	}
}

// TestGroupWorkFails has a function return an error: Join ends with it, and what was processed before is committed.
func TestGroupWorkFails(t *testing.T) {
	client, _ := numbered(t, 100)
	broken := errors.New("broken")
	processed := 0
	err := commitlog.Join(t.Context(), client, "dashboard", commitlog.JSON[int]("clicks"), func(ctx context.Context, p *commitlog.Partition[int]) error {
		if p.Partition != 0 {
			<-ctx.Done()
			return nil
		}
		for r, err := range p.Records(ctx) {
			if err != nil {
				return err
			}
			if processed == 5 {
				return fmt.Errorf("%d: %w", r.Data, broken)
			}
			processed++
		}
		return nil
	})
	if !errors.Is(err, broken) {
		t.Fatalf("Join ended with %v", err)
	}
	g, err := client.Group(t.Context(), "dashboard")
	if err != nil || len(g.Offsets) != 1 || g.Offsets[0].Offset != 5 {
		t.Fatalf("committed %+v, %v", g.Offsets, err)
	}
}

func TestGroupStarts(t *testing.T) {
	client, topic := numbered(t, 100)
	latest := newSeen()
	stop := joined(t, client, "latest", consume(latest), commitlog.FromLatest())
	awaitGroup(t, client, "latest", func(g commitlog.Group) bool { return len(g.Offsets) > 0 && g.Size == 1 })
	awaitGroup(t, client, "latest", func(g commitlog.Group) bool { return len(g.Members[0].Assigned) == groupPartitions })
	before := time.Now().UnixMilli()       // records know no less than a millisecond
	for time.Now().UnixMilli() == before { //nolint:revive // a millisecond is all that it takes
	}
	send(t, client, topic, 100, 200)
	latest.await(t, 100)
	if err := stop(); err != nil {
		t.Fatal(err)
	}
	timed := newSeen()
	stop = joined(t, client, "timed", consume(timed), commitlog.FromTime(time.UnixMilli(before+1)))
	timed.await(t, 100)
	if err := stop(); err != nil {
		t.Fatal(err)
	}
	for _, s := range []*seen{latest, timed} {
		for n := range s.numbers {
			if n < 100 {
				t.Fatalf("%d was read, which had been there before", n)
			}
		}
	}
}

// TestGroupPartition pauses, seeks and resumes.
func TestGroupPartition(t *testing.T) {
	client, topic := numbered(t, 100)
	s := newSeen()
	partitions := make(chan *commitlog.Partition[int], groupPartitions)
	stop := joined(t, client, "dashboard", func(ctx context.Context, p *commitlog.Partition[int]) error {
		partitions <- p
		return consume(s)(ctx, p)
	})
	s.await(t, 100)
	var all []*commitlog.Partition[int]
	for range groupPartitions {
		p := <-partitions
		p.Pause()
		all = append(all, p)
	}
	send(t, client, topic, 100, 200)
	for _, p := range all {
		p.SeekTo(commitlog.Earliest)
	}
	if got := s.count(); got != 100 {
		t.Errorf("%d numbers were seen while all was paused", got)
	}
	for _, p := range all {
		p.Resume()
	}
	s.await(t, 200)
	if err := stop(); err != nil {
		t.Fatal(err)
	}
	for n := range 200 {
		if want := map[bool]int{true: 2, false: 1}[n < 100]; s.numbers[n] != want {
			t.Fatalf("%d was seen %d times, want %d", n, s.numbers[n], want)
		}
	}
}

// TestGroupEachKey processes keys side by side and one key in order; what is committed lies before whatever is not done.
func TestGroupEachKey(t *testing.T) {
	client, _ := numbered(t, 1000)
	s := newSeen()
	broken := errors.New("broken")
	err := commitlog.Join(t.Context(), client, "dashboard", commitlog.JSON[int]("clicks"), func(ctx context.Context, p *commitlog.Partition[int]) error {
		return p.EachKey(ctx, 3, func(_ context.Context, r commitlog.Received[int]) error {
			if r.Data == 500 {
				return broken
			}
			s.add(string(r.Key), r.Data)
			return nil
		})
	})
	if !errors.Is(err, broken) {
		t.Fatalf("Join ended with %v", err)
	}
	stop := joined(t, client, "dashboard", func(ctx context.Context, p *commitlog.Partition[int]) error {
		return p.EachKey(ctx, 3, func(_ context.Context, r commitlog.Received[int]) error {
			s.add(string(r.Key), r.Data)
			return nil
		})
	})
	s.await(t, 1000)
	if err := stop(); err != nil {
		t.Fatal(err)
	}
	for key, numbers := range s.keys {
		seen := -1
		for _, n := range numbers { // repeated ones may go back, once
			if n > seen+10 {
				t.Fatalf("%s: %d comes after %d", key, n, seen)
			}
			seen = max(seen, n)
		}
	}
}

// TestGroupEachKeyAgain has EachKey called again after an error: no record is left out.
func TestGroupEachKeyAgain(t *testing.T) {
	client, _ := numbered(t, 1000)
	s := newSeen()
	var failures atomic.Int32
	stop := joined(t, client, "dashboard", func(ctx context.Context, p *commitlog.Partition[int]) error {
		for ctx.Err() == nil {
			_ = p.EachKey(ctx, 3, func(_ context.Context, r commitlog.Received[int]) error {
				if r.Data%100 == 50 && failures.Add(1)%2 == 1 {
					return errors.New("not yet")
				}
				s.add(string(r.Key), r.Data)
				return nil
			})
		}
		return nil
	})
	s.await(t, 1000)
	if err := stop(); err != nil {
		t.Fatal(err)
	}
}

// TestGroupErrors has names and data that cannot be.
func TestGroupErrors(t *testing.T) {
	client, topic := numbered(t, 10)
	nothing := func(context.Context, *commitlog.Partition[int]) error { return nil }
	if err := commitlog.Join(t.Context(), client, "a b", commitlog.JSON[int]("clicks"), nothing); !errors.Is(err, commitlog.ErrInvalid) {
		t.Errorf("a bad name: %v", err)
	}
	if err := commitlog.Join(t.Context(), client, "g", commitlog.JSON[int]("nothing"), nothing); !errors.Is(err, commitlog.ErrUnknownTopic) {
		t.Errorf("an unknown topic: %v", err)
	}
	if err := commitlog.Join(t.Context(), client, "g", commitlog.JSON[int](), nothing); !errors.Is(err, commitlog.ErrInvalid) {
		t.Errorf("no topic: %v", err)
	}
	var decoding *commitlog.DecodeError
	err := commitlog.Join(t.Context(), client, "g", commitlog.JSON[string]("clicks"), func(ctx context.Context, p *commitlog.Partition[string]) error {
		for _, err := range p.Records(ctx) {
			return err
		}
		return nil
	})
	if !errors.As(err, &decoding) || decoding.Topic != topic.Name {
		t.Errorf("values that are no text: %v", err)
	}
	if _, err := client.Group(t.Context(), "unheard-of"); !errors.Is(err, commitlog.ErrUnknownGroup) {
		t.Errorf("an unknown group: %v", err)
	}
	if err := client.DeleteGroup(t.Context(), "unheard-of"); !errors.Is(err, commitlog.ErrUnknownGroup) {
		t.Errorf("deleting an unknown group: %v", err)
	}
	groups, err := client.Topic(t.Context(), "groups")
	if err != nil {
		t.Fatal(err)
	}
	if err := client.DeleteTopic(t.Context(), groups.ID); !errors.Is(err, commitlog.ErrInvalid) {
		t.Errorf("deleting the topic of groups: %v", err)
	}
	if !groups.Internal() || topic.Internal() {
		t.Errorf("internal: the topic of groups %t, clicks %t", groups.Internal(), topic.Internal())
	}
	producer, err := client.Producer(t.Context(), groups, commitlog.ProducerConfig{})
	if err != nil {
		t.Fatal(err)
	}
	told := make(chan error, 1)
	if err := producer.Send(t.Context(), commitlog.Message{Key: []byte("{g}"), Value: []byte("x")}, func(_ commitlog.Delivery, err error) { told <- err }); err != nil {
		t.Fatal(err)
	}
	if err := <-told; !errors.Is(err, commitlog.ErrInvalid) {
		t.Errorf("producing to the topic of groups: %v", err)
	}
	_ = producer.Close(t.Context()) // it says again what was not delivered
}

// TestGroupReset moves a group's offsets, with members and without.
func TestGroupReset(t *testing.T) {
	client, topic := numbered(t, 100)
	s := newSeen()
	stop := joined(t, client, "dashboard", consume(s))
	s.await(t, 100)
	back := make([]commitlog.GroupOffset, groupPartitions)
	for p := range back {
		back[p] = commitlog.GroupOffset{Topic: topic.ID, Partition: int32(p)}
	}
	if err := client.ResetOffsets(t.Context(), "dashboard", back, false); !errors.Is(err, commitlog.ErrGroupNotEmpty) {
		t.Errorf("resetting under a member: %v", err)
	}
	if err := client.ResetOffsets(t.Context(), "dashboard", back, true); err != nil {
		t.Fatal(err)
	}
	deadline := time.After(30 * time.Second)
	for again := 0; again < 100; {
		select {
		case <-s.changed:
		case <-deadline:
			t.Fatalf("%d of 100 records were read again", again)
		}
		again = 0
		s.mu.Lock()
		for _, times := range s.numbers {
			again += times - 1
		}
		s.mu.Unlock()
	}
	if err := stop(); err != nil {
		t.Fatal(err)
	}
	if err := client.DeleteGroup(t.Context(), "dashboard"); err != nil {
		t.Fatal(err)
	}
	if groups, err := client.Groups(t.Context()); err != nil || len(groups) != 0 {
		t.Errorf("groups that are left: %+v, %v", groups, err)
	}
}

// TestGroupStopTimeout has a function that does not return: the member leaves without it.
func TestGroupStopTimeout(t *testing.T) {
	client, _ := numbered(t, 10)
	release, began := make(chan struct{}), make(chan struct{}, groupPartitions)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() {
		ended <- commitlog.Join(ctx, client, "dashboard", commitlog.JSON[int]("clicks"), func(context.Context, *commitlog.Partition[int]) error {
			began <- struct{}{}
			<-release
			return nil
		}, commitlog.Member(commitlog.MemberConfig{StopTimeout: 50 * time.Millisecond}))
	}()
	<-began
	cancel()
	awaitGroup(t, client, "dashboard", func(g commitlog.Group) bool { return g.Size == 0 })
	close(release)
	if err := <-ended; !errors.Is(err, commitlog.ErrStopTimeout) {
		t.Fatalf("Join ended with %v", err)
	}
}

// TestGroupWorkHangs has a function go on although its partition is to move. Another member has its partitions after the rebalance timeout, and keeps them until
// the function has returned.
func TestGroupWorkHangs(t *testing.T) {
	client, topic := numbered(t, 400)
	s, hung, release := newSeen(), make(chan struct{}), make(chan struct{})
	hang := sync.OnceFunc(func() {
		close(hung)
		<-release
	})
	member := commitlog.Member(commitlog.MemberConfig{RebalanceTimeout: time.Second})
	stopFirst := joined(t, client, "dashboard", func(ctx context.Context, p *commitlog.Partition[int]) error {
		err := consume(s)(ctx, p)
		hang()
		return err
	}, member)
	s.await(t, 400)
	stopSecond := joined(t, client, "dashboard", consume(s), member)
	<-hung
	awaitGroup(t, client, "dashboard", func(g commitlog.Group) bool {
		return g.Size == 1 && len(g.Members[0].Assigned) == groupPartitions && len(g.Members[0].Revoked) == 0
	})
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for n := 400; n < 800; n += 20 { // for long enough to take partitions back
		send(t, client, topic, n, n+20)
		s.await(t, n+20)
		<-tick.C
	}
	close(release)
	awaitGroup(t, client, "dashboard", func(g commitlog.Group) bool {
		return g.Size == 2 && len(g.Members[0].Assigned) == groupPartitions/2 && len(g.Members[1].Assigned) == groupPartitions/2
	})
	if err := errors.Join(stopFirst(), stopSecond()); err != nil {
		t.Error(err)
	}
}

// TestGroupBeginsOnce takes partitions away from a member so that its commits are refused before it is told: it begins no assignment a second time.
func TestGroupBeginsOnce(t *testing.T) {
	client, topic := numbered(t, 1000)
	type assignment struct {
		partition int32
		epoch     uint64
	}
	begun := make(chan assignment, 1000)
	s := newSeen()
	stop := joined(t, client, "dashboard", func(ctx context.Context, p *commitlog.Partition[int]) error {
		begun <- assignment{p.Partition, p.Epoch}
		return consume(s)(ctx, p)
	}, commitlog.Member(commitlog.MemberConfig{CommitInterval: time.Millisecond}))
	back := make([]commitlog.GroupOffset, groupPartitions)
	for p := range back {
		back[p] = commitlog.GroupOffset{Topic: topic.ID, Partition: int32(p)}
	}
	times, newest, reset := map[assignment]int{}, map[int32]uint64{}, 0
	for deadline := time.After(30 * time.Second); reset < 200; {
		select {
		case a := <-begun:
			if times[a]++; times[a] > 1 {
				t.Fatalf("partition %d was begun under epoch %d a second time, after %d resets", a.partition, a.epoch, reset)
			}
			if newest[a.partition] = a.epoch; a.partition != int32(reset%groupPartitions) {
				continue
			}
			if err := client.ResetOffsets(t.Context(), "dashboard", back, true); err != nil {
				t.Fatal(err)
			}
			reset++
		case <-deadline:
			t.Fatalf("no partition was begun after %d resets: %v", reset, newest)
		}
	}
	if err := stop(); err != nil {
		t.Error(err)
	}
}

// TestNoGroupsYet asks for groups where there never was one: that makes nothing.
func TestNoGroupsYet(t *testing.T) {
	client := start(t, broker.Config{}).Client()
	if groups, err := client.Groups(t.Context()); err != nil || len(groups) > 0 {
		t.Errorf("groups: %v, %v", groups, err)
	}
	if _, err := client.Group(t.Context(), "dashboard"); !errors.Is(err, commitlog.ErrUnknownGroup) {
		t.Errorf("describing: %v", err)
	}
	if err := client.DeleteGroup(t.Context(), "dashboard"); !errors.Is(err, commitlog.ErrUnknownGroup) {
		t.Errorf("deleting: %v", err)
	}
	if _, err := client.CreateTopic(t.Context(), commitlog.TopicConfig{Name: "groups", Kind: commitlog.Table}); !errors.Is(err, commitlog.ErrInvalid) {
		t.Errorf("creating the brokers' own topic: %v", err)
	}
	if topics, err := client.Topics(t.Context()); err != nil || len(topics) > 0 {
		t.Errorf("topics: %v, %v", topics, err)
	}
}

// TestNodeTellsItsVersion: whatever that is, it is that of this program.
func TestNodeTellsItsVersion(t *testing.T) {
	nodes, err := start(t, broker.Config{}).Client().Nodes(t.Context())
	if err != nil || len(nodes) != 1 || nodes[0].Version != broker.Version() {
		t.Errorf("%+v, %v, want version %q", nodes, err, broker.Version())
	}
}

// TestGroupStopsWhileItMoves ends a member while partitions are taken from it, of which it has something to commit.
func TestGroupStopsWhileItMoves(t *testing.T) {
	client, topic := numbered(t, 100)
	for i := range 10 {
		name := fmt.Sprintf("g%d", i)
		ctx, cancel := context.WithCancel(t.Context())
		var first sync.WaitGroup
		var calls [groupPartitions]atomic.Int32
		first.Add(groupPartitions)
		done := make(chan error, 1)
		go func() {
			done <- commitlog.Join(ctx, client, name, commitlog.Bytes("clicks"), func(ctx context.Context, p *commitlog.Partition[[]byte]) error {
				if calls[p.Partition].Add(1) > 1 {
					cancel() // while the commits of the other partitions are under way
				} else {
					p.Processed(1, 1)
					first.Done()
				}
				<-ctx.Done()
				return nil
			}, commitlog.Member(commitlog.MemberConfig{CommitInterval: time.Hour}))
		}()
		first.Wait()
		var offsets []commitlog.GroupOffset
		for p := range int32(groupPartitions) {
			offsets = append(offsets, commitlog.GroupOffset{Topic: topic.ID, Partition: p})
		}
		if err := client.ResetOffsets(t.Context(), name, offsets, true); err != nil {
			t.Fatal(err)
		}
		select {
		case err := <-done:
			if err != nil {
				t.Fatal(err)
			}
		case <-time.After(8 * time.Second): // less than StopTimeout
			t.Fatalf("the member of group %s does not stop", name)
		}
	}
}

// TestGroupInstance has an instance stop and come back: it has the partitions that it had, and nobody else got them in between.
func TestGroupInstance(t *testing.T) {
	client, _ := numbered(t, 100)
	var mu sync.Mutex
	given := map[string][]int32{} // partitions by member, as they were given
	member := func(name string) func() error {
		return joined(t, client, "dashboard", func(ctx context.Context, p *commitlog.Partition[int]) error {
			mu.Lock()
			given[name] = append(given[name], p.Partition)
			mu.Unlock()
			<-ctx.Done()
			return nil
		}, commitlog.Member(commitlog.MemberConfig{Instance: name}))
	}
	settled := func(g commitlog.Group) bool {
		return g.State == "stable" && g.Size == 2 && len(g.Members[0].Assigned) == 2 && len(g.Members[1].Assigned) == 2
	}
	stopA, stopB := member("a"), member("b")
	begun := func(g commitlog.Group) bool { // and the functions of b have been called
		mu.Lock()
		defer mu.Unlock()
		for _, m := range g.Members {
			for _, a := range m.Assigned {
				if !slices.Contains(given[m.Instance], a.Partition) {
					return false
				}
			}
		}
		return settled(g)
	}
	awaitGroup(t, client, "dashboard", begun)
	mu.Lock()
	before := slices.Clone(given["b"])
	mu.Unlock()
	if err := stopA(); err != nil {
		t.Fatal(err)
	}
	stopA = member("a")
	awaitGroup(t, client, "dashboard", settled)
	mu.Lock()
	if !slices.Equal(before, given["b"]) {
		t.Errorf("while the other instance was away, b was given %v, before %v", given["b"], before)
	}
	mu.Unlock()
	for _, stop := range []func() error{stopA, stopB} {
		if err := stop(); err != nil {
			t.Fatal(err)
		}
	}
	if err := client.DeleteGroup(t.Context(), "dashboard"); !errors.Is(err, commitlog.ErrGroupNotEmpty) {
		t.Errorf("deleting a group whose instances come back: %v", err)
	}
}

// TestGroupInstanceTaken has a second process come under the name of a first one, which ends.
func TestGroupInstanceTaken(t *testing.T) {
	client, _ := numbered(t, 10)
	first := make(chan error, 1)
	idle := func(ctx context.Context, _ *commitlog.Partition[int]) error {
		<-ctx.Done()
		return nil
	}
	named := commitlog.Member(commitlog.MemberConfig{Instance: "worker-1"})
	go func() {
		first <- commitlog.Join(t.Context(), client, "dashboard", commitlog.JSON[int]("clicks"), idle, named)
	}()
	awaitGroup(t, client, "dashboard", func(g commitlog.Group) bool { return g.Size == 1 && len(g.Members[0].Assigned) == groupPartitions })
	stop := joined(t, client, "dashboard", idle, named)
	if err := <-first; !errors.Is(err, commitlog.ErrInstanceTaken) {
		t.Errorf("the first process ended with %v", err)
	}
	if err := stop(); err != nil {
		t.Error(err)
	}
}

// TestGroupStandby has more members than partitions: one stands by, and takes over what another one leaves.
func TestGroupStandby(t *testing.T) {
	client, _ := numbered(t, 10)
	idle := func(ctx context.Context, _ *commitlog.Partition[int]) error {
		<-ctx.Done()
		return nil
	}
	var stops []func() error
	for range groupPartitions + 1 {
		stops = append(stops, joined(t, client, "dashboard", idle))
	}
	standing := func(n int) func(commitlog.Group) bool {
		return func(g commitlog.Group) bool {
			with := 0
			for _, m := range g.Members {
				with += min(len(m.Assigned), 1)
			}
			return g.State == "stable" && with == groupPartitions && g.Size-with == n
		}
	}
	awaitGroup(t, client, "dashboard", standing(1))
	if err := stops[0](); err != nil {
		t.Fatal(err)
	}
	awaitGroup(t, client, "dashboard", standing(0))
	for _, stop := range stops[1:] {
		if err := stop(); err != nil {
			t.Fatal(err)
		}
	}
}

// TestLatest reads by hand from the end on.
func TestLatest(t *testing.T) {
	client, topic := numbered(t, 100)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	for r, err := range client.Records(ctx, topic, 0, commitlog.Range{From: commitlog.Latest}) {
		t.Fatalf("from the end, without waiting, came %+v, %v", r, err)
	}
	send(t, client, topic, 100, 200)
	partition := int32(0)
	now, err := client.Topic(t.Context(), topic.Name)
	if err != nil {
		t.Fatal(err)
	}
	for r, err := range client.Records(ctx, now, partition, commitlog.Range{From: commitlog.Latest}) {
		t.Fatalf("what was there before came: %+v, %v", r, err)
	}
	got := make(chan commitlog.Record)
	go func() {
		for r, err := range client.Records(ctx, topic, partition, commitlog.Range{From: commitlog.Latest, Live: true}) {
			if err == nil {
				got <- r
			}
			return
		}
	}()
	for i := 200; ; i += 20 { // the read begins some time
		send(t, client, topic, i, i+20)
		select {
		case r := <-got:
			if r.Offset < now.Partitions[partition].End {
				t.Fatalf("the first record is at offset %d, the partition ended at %d", r.Offset, now.Partitions[partition].End)
			}
			return
		default:
		}
	}
}

// TestGroupIsMeasured has a node tell of the groups that it coordinates.
func TestGroupIsMeasured(t *testing.T) {
	b := start(t, broker.Config{})
	client := b.Client()
	topic, err := client.CreateTopic(t.Context(), commitlog.TopicConfig{Name: "clicks", Kind: commitlog.Plain, Partitions: groupPartitions})
	if err != nil {
		t.Fatal(err)
	}
	send(t, client, topic, 0, 100)
	s := newSeen()
	stop := joined(t, client, "dashboard", consume(s))
	s.await(t, 100)
	if err := stop(); err != nil {
		t.Fatal(err)
	}
	send(t, client, topic, 100, 130)
	stop = joined(t, client, "dashboard", func(ctx context.Context, _ *commitlog.Partition[int]) error {
		<-ctx.Done()
		return nil
	})
	awaitGroup(t, client, "dashboard", func(g commitlog.Group) bool { return g.Size == 1 })
	groups, lag := b.Stats(t.Context()).Groups, int64(0)
	if len(groups) != 1 || groups[0].Name != "dashboard" || groups[0].Members != 1 || groups[0].Epoch < 2 {
		t.Fatalf("measured: %+v", groups)
	}
	for _, p := range groups[0].Offsets {
		lag += p.Lag
	}
	if lag != 30 {
		t.Errorf("the lag is %d records, want 30: %+v", lag, groups[0].Offsets)
	}
	if err := stop(); err != nil {
		t.Fatal(err)
	}
}
