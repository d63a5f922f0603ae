package brokertest_test

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"net"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/nats-io/nats.go"
	"github.com/strandlog/strand/commitlog"
	"github.com/strandlog/strand/internal/partitioner"
)

// crowd is a consumer group under test: its members, what they have seen, and who had which partition when.
type crowd struct {
	t     *testing.T
	urls  string
	group string
	topic commitlog.Topic
	cfg   commitlog.MemberConfig

	members []*attendee // of the test's goroutine
	named   int

	mu       sync.Mutex
	next     []int64                // by partition: the first offset that nobody has seen
	keys     map[string]int         // by key: the first number that nobody has seen
	repeats  int                    // records that were seen before
	holders  []map[*tenure]struct{} // by partition: whose work goes on
	free     []time.Time            // by partition: since when it has no owner; zero: it has one, or never had
	pauses   []time.Duration        // that ended, since they were taken
	tenures  map[tenureKey]*tenure
	problems []string
	changed  chan struct{}
}

type tenureKey struct {
	partition int32
	epoch     uint64
}

// tenure is an assignment while work on it goes on, and what came of it.
type tenure struct {
	member string
	next   int64 // behind the last record that was handed to the work; -1: none was
}

// attendee is a member, with a connection of its own.
type attendee struct {
	name   string
	cable  *cable
	client *commitlog.Client
	leave  context.CancelFunc
	ended  chan error
}

// cable is how a member reaches the nodes.
type cable struct {
	mu        sync.Mutex
	unplugged bool
	conns     []net.Conn
}

var errUnplugged = errors.New("the cable is unplugged")

// Dial makes it a nats.CustomDialer.
func (c *cable) Dial(network, address string) (net.Conn, error) {
	conn, err := net.DialTimeout(network, address, 2*time.Second)
	if err != nil {
		return nil, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.unplugged {
		return nil, errors.Join(errUnplugged, conn.Close())
	}
	c.conns = append(c.conns, conn)
	return conn, nil
}

// plug has the member reach the nodes, or not.
func (c *cable) plug(in bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.unplugged = !in; c.unplugged {
		for _, conn := range c.conns {
			_ = conn.Close()
		}
		c.conns = nil
	}
}

func newCrowd(t *testing.T, urls, group string, topic commitlog.Topic, cfg commitlog.MemberConfig) *crowd {
	t.Helper()
	n := len(topic.Partitions)
	c := &crowd{
		t: t, urls: urls, group: group, topic: topic, cfg: cfg, next: make([]int64, n), keys: map[string]int{}, holders: make([]map[*tenure]struct{}, n),
		free: make([]time.Time, n), tenures: map[tenureKey]*tenure{}, changed: make(chan struct{}, 1),
	}
	for p := range c.holders {
		c.holders[p] = map[*tenure]struct{}{}
	}
	t.Cleanup(func() {
		for _, m := range c.members {
			m.leave()
			_ = m.client.Close()
			_ = c.end(m) // the test has failed, or it was looked at before
		}
	})
	return c
}

// join adds a member.
func (c *crowd) join() {
	c.t.Helper()
	reach := &cable{}
	client, err := commitlog.Dial(c.t.Context(), c.urls, nats.SetCustomDialer(reach))
	if err != nil {
		c.t.Fatal(err)
	}
	c.named++
	m := &attendee{name: fmt.Sprintf("member-%d", c.named), cable: reach, client: client, ended: make(chan error, 1)}
	ctx, leave := context.WithCancel(c.t.Context())
	m.leave = leave
	c.members = append(c.members, m)
	go func() {
		m.ended <- commitlog.Join(ctx, client, c.group, commitlog.JSON[int](c.topic.Name), c.work(m.name), commitlog.Member(c.cfg))
	}()
}

// part has a member leave, as one that is stopped does.
func (c *crowd) part(i int) {
	c.t.Helper()
	m := c.members[i]
	c.members = slices.Delete(c.members, i, i+1)
	m.leave()
	if err := c.end(m); err != nil {
		c.t.Errorf("%s ended with %v", m.name, err)
	}
	_ = m.client.Close()
}

// kill ends a member's connection and its work, and nobody is told: what kill -9 does.
func (c *crowd) kill(i int) {
	c.t.Helper()
	m := c.members[i]
	c.members = slices.Delete(c.members, i, i+1)
	_ = m.client.Close()
	if err := c.end(m); !errors.Is(err, commitlog.ErrClosed) {
		c.t.Errorf("%s, whose connection was closed, ended with %v", m.name, err)
	}
	m.leave()
}

func (c *crowd) end(m *attendee) error {
	select {
	case err := <-m.ended:
		return err
	case <-time.After(30 * time.Second):
		c.t.Fatalf("%s did not end", m.name)
		return nil
	}
}

// check has every member still be one.
func (c *crowd) check() {
	c.t.Helper()
	for _, m := range c.members {
		select {
		case err := <-m.ended:
			m.ended <- err
			c.t.Errorf("%s ended by itself: %v", m.name, err)
		default:
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for i, problem := range c.problems {
		if c.t.Error(problem); i == 9 {
			c.t.Fatalf("and %d problems more", len(c.problems)-i-1)
		}
	}
	c.problems = nil
}

func (c *crowd) work(member string) func(context.Context, *commitlog.Partition[int]) error {
	return func(ctx context.Context, p *commitlog.Partition[int]) error {
		at := c.begin(member, p.Assignment)
		defer c.finish(p.Partition, at)
		for r, err := range p.Records(ctx) {
			if err != nil {
				return err
			}
			c.see(at, &r)
		}
		return nil
	}
}

func (c *crowd) begin(member string, a *commitlog.Assignment) *tenure {
	c.mu.Lock()
	defer c.mu.Unlock()
	k, at := tenureKey{a.Partition, a.Epoch}, &tenure{member: member, next: -1}
	if other, twice := c.tenures[k]; twice {
		c.problem("partition %d was given to %s and to %s in epoch %d", a.Partition, other.member, member, a.Epoch)
	}
	c.tenures[k] = at
	if since := c.free[a.Partition]; !since.IsZero() {
		c.pauses, c.free[a.Partition] = append(c.pauses, time.Since(since)), time.Time{}
	}
	c.holders[a.Partition][at] = struct{}{}
	if a.Offset != commitlog.NoOffset && a.Offset > c.next[a.Partition] {
		c.problem("partition %d goes on at offset %d, and nobody has seen %d", a.Partition, a.Offset, c.next[a.Partition])
	}
	c.tell()
	return at
}

func (c *crowd) finish(partition int32, at *tenure) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.holders[partition], at)
	if len(c.holders[partition]) == 0 {
		c.free[partition] = time.Now()
	}
	c.tell()
}

func (c *crowd) see(at *tenure, r *commitlog.Received[int]) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if at.next >= 0 && r.Offset != at.next {
		c.problem("%s was given offset %d of partition %d, %d was due", at.member, r.Offset, r.Partition, at.next)
	}
	at.next = r.Offset + 1
	switch due := c.next[r.Partition]; {
	case r.Offset < due:
		c.repeats++
	case r.Offset > due:
		c.problem("%s was given offset %d of partition %d, and nobody has seen %d", at.member, r.Offset, r.Partition, due)
	default:
		c.next[r.Partition]++
	}
	switch due := c.keys[string(r.Key)]; {
	case r.Data > due:
		c.problem("%s was given number %d of %s, and nobody has seen %d", at.member, r.Data, r.Key, due)
	case r.Data == due:
		c.keys[string(r.Key)]++
	}
	c.tell()
}

func (c *crowd) problem(format string, args ...any) {
	c.problems = append(c.problems, fmt.Sprintf(format, args...))
}

func (c *crowd) tell() {
	select {
	case c.changed <- struct{}{}:
	default:
	}
}

// await returns when something holds of what the members do; holds is called under the lock.
func (c *crowd) await(within time.Duration, what string, holds func() bool) {
	c.t.Helper()
	locked := func() bool {
		c.mu.Lock()
		defer c.mu.Unlock()
		return holds()
	}
	timeout := time.NewTimer(within)
	defer timeout.Stop()
	for !locked() {
		select {
		case <-c.changed:
		case <-timeout.C:
			c.check()
			c.mu.Lock()
			defer c.mu.Unlock()
			c.t.Fatalf("not within %v: %s; holders: %v", within, what, c.heldBy())
		}
	}
}

// heldBy counts the partitions that each member has; those that none or several work on are said so.
func (c *crowd) heldBy() map[string]int {
	n := map[string]int{}
	for _, held := range c.holders {
		if len(held) == 0 {
			n["nobody"]++
		}
		for at := range held {
			n[at.member]++
		}
	}
	return n
}

// settled says whether every partition has one owner, the members have as many each, give or take one, and there are no others.
func (c *crowd) settled() bool {
	n := c.heldBy()
	total := 0
	for _, m := range c.members {
		if n[m.name] < len(c.holders)/len(c.members) {
			return false
		}
		total += n[m.name]
	}
	return total == len(c.holders) && len(n) == len(c.members)
}

// takePauses gives those that ended since the last time, and for how long those go on that did not end.
func (c *crowd) takePauses() (ended, open []time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	ended, c.pauses = c.pauses, nil
	for _, since := range c.free {
		if !since.IsZero() {
			open = append(open, time.Since(since))
		}
	}
	return ended, open
}

// numbers writes numbered records to keys of its own, about so many a second, until the context ends. It returns how many of each key were delivered.
func numbers(ctx context.Context, t *testing.T, client *commitlog.Client, topic commitlog.Topic, writer, perSecond int) map[string]int {
	t.Helper()
	const every, keys = 10 * time.Millisecond, 20
	producer, err := client.Producer(context.WithoutCancel(ctx), topic, commitlog.ProducerConfig{})
	if err != nil {
		t.Error(err)
		return nil
	}
	delivered := map[string]int{}
	var mu sync.Mutex
	tick := time.NewTicker(every)
	defer tick.Stop()
	for i := 0; ctx.Err() == nil; {
		for range max(1, perSecond/int(time.Second/every)) {
			key := fmt.Sprintf("writer-%d_%d", writer, i%keys)
			err := producer.Send(context.WithoutCancel(ctx), commitlog.Message{Key: []byte(key), Value: strconv.AppendInt(nil, int64(i/keys), 10)}, func(_ commitlog.Delivery, err error) {
				mu.Lock()
				defer mu.Unlock()
				if err != nil {
					t.Errorf("a record of %s was not delivered: %v", key, err)
					return
				}
				delivered[key]++
			})
			if err != nil {
				t.Errorf("sending to %s: %v", key, err)
				return delivered
			}
			i++
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
		}
	}
	if err := producer.Close(context.WithoutCancel(ctx)); err != nil {
		t.Error(err)
	}
	return delivered
}

// written runs writers until the function that it gives is called, which returns how many of each key were delivered.
func written(t *testing.T, urls string, topic commitlog.Topic, writers, perSecond int) (stop func() map[string]int) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	all := make([]map[string]int, writers)
	var group sync.WaitGroup
	for i := range writers {
		client := dial(t, urls)
		group.Go(func() { all[i] = numbers(ctx, t, client, topic, i, perSecond/writers) })
	}
	return sync.OnceValue(func() map[string]int {
		cancel()
		group.Wait()
		sum := map[string]int{}
		for _, of := range all {
			maps.Copy(sum, of)
		}
		return sum
	})
}

// awaitAll returns when everything that was delivered was seen.
func (c *crowd) awaitAll(delivered map[string]int) {
	c.t.Helper()
	c.await(60*time.Second, "every delivered record was seen", func() bool {
		for key, n := range delivered {
			if c.keys[key] < n {
				return false
			}
		}
		return true
	})
}

// commits reads the accepted commits of a crowd's group from the log of the groups, as they are made.
type commits struct {
	client    *commitlog.Client
	topic     commitlog.Topic
	partition int32

	stop context.CancelFunc
	done chan struct{}

	mu      sync.Mutex
	err     error
	next    int64 // offset in the log
	all     []accepted
	changed chan struct{}
}

// accepted is a committed offset.
type accepted struct {
	partition       int32
	offset          int64
	epoch, sequence uint64
	at              time.Time // when it was stored
}

// followCommits begins with the group's log, which is there: somebody has asked for a group before.
func followCommits(t *testing.T, client *commitlog.Client, group string, of uuid.UUID) *commits {
	t.Helper()
	topic, err := client.Topic(t.Context(), "groups")
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	c := &commits{
		client: client, topic: topic, partition: partitioner.Partition("{"+group+"}", len(topic.Partitions)), stop: stop,
		done: make(chan struct{}), changed: make(chan struct{}, 1),
	}
	prefix := "{" + group + "}/offsets/" + of.String() + "/"
	go func() {
		defer close(c.done)
		for r, err := range client.Records(ctx, topic, c.partition, commitlog.Range{Live: true}) {
			if err != nil {
				c.fail(err)
				return
			}
			c.read(prefix, &r)
		}
	}()
	t.Cleanup(func() {
		stop()
		<-c.done
	})
	return c
}

func (c *commits) fail(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.err = err
}

// read takes a record of the groups. The value of an offset is a byte and then numbers: offset, leader epoch, assignment epoch, sequence.
func (c *commits) read(prefix string, r *commitlog.Record) {
	c.mu.Lock()
	defer c.mu.Unlock()
	defer func() {
		select {
		case c.changed <- struct{}{}:
		default:
		}
	}()
	c.next = r.Offset + 1
	part, ok := strings.CutPrefix(string(r.Key), prefix)
	if !ok {
		return
	}
	p, err := strconv.ParseInt(part, 10, 32)
	if err != nil || len(r.Value) == 0 {
		c.err = fmt.Errorf("a committed offset of partition %q: %x", part, r.Value)
		return
	}
	var n [4]uint64
	rest := r.Value[1:]
	for i := range n {
		v, size := binary.Uvarint(rest)
		if size <= 0 {
			c.err = fmt.Errorf("a committed offset of partition %d: %x", p, r.Value)
			return
		}
		n[i], rest = v, rest[size:]
	}
	c.all = append(c.all, accepted{partition: int32(p), offset: int64(n[0]), epoch: n[2], sequence: n[3], at: r.Time})
}

// caughtUp returns when everything was read that is in the log now.
func (c *commits) caughtUp(t *testing.T) {
	t.Helper()
	now, err := c.client.Topic(t.Context(), c.topic.Name)
	if err != nil {
		t.Fatal(err)
	}
	deadline := time.After(30 * time.Second)
	for {
		c.mu.Lock()
		next, err := c.next, c.err
		c.mu.Unlock()
		switch {
		case err != nil:
			t.Fatal(err)
		case next >= now.Partitions[c.partition].End:
			return
		}
		select {
		case <-c.changed:
		case <-deadline:
			t.Fatalf("the log of the groups was read up to %d of %d", next, now.Partitions[c.partition].End)
		}
	}
}

// leader is the node that coordinates the group.
func (c *commits) leader(t *testing.T) string {
	t.Helper()
	now, err := c.client.Topic(t.Context(), c.topic.Name)
	if err != nil {
		t.Fatal(err)
	}
	return now.Partitions[c.partition].Leader
}

// count is how many commits were accepted.
func (c *commits) count() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.all)
}

// await returns when so many commits more were accepted.
func (c *commits) await(t *testing.T, more int) {
	t.Helper()
	due := c.count() + more
	deadline := time.After(60 * time.Second)
	for c.count() < due {
		select {
		case <-c.changed:
		case <-deadline:
			c.mu.Lock()
			defer c.mu.Unlock()
			t.Fatalf("%d commits were accepted within a minute, of %d: %v", len(c.all), due, c.err)
		}
	}
}

// longestPause is the longest time between two commits from one on, by the times at which they were stored.
func (c *commits) longestPause(from int) (longest time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for i := max(from, 1); i < len(c.all); i++ {
		longest = max(longest, c.all[i].at.Sub(c.all[i-1].at))
	}
	return longest
}

// check compares the accepted commits with what the members did: each is of an assignment that a member had, of no more than that has seen under it, and
// none goes back.
func (c *commits) check(crowd *crowd) {
	crowd.t.Helper()
	c.caughtUp(crowd.t)
	c.mu.Lock()
	defer c.mu.Unlock()
	crowd.mu.Lock()
	defer crowd.mu.Unlock()
	newest := make([]accepted, len(crowd.topic.Partitions))
	for _, a := range c.all {
		before := newest[a.partition]
		at := crowd.tenures[tenureKey{a.partition, a.epoch}]
		switch {
		case at == nil:
			crowd.problem("offset %d of partition %d was committed in epoch %d, in which nobody had it", a.offset, a.partition, a.epoch)
		case a.offset > at.next:
			crowd.problem("offset %d of partition %d was committed in epoch %d, %s had seen %d", a.offset, a.partition, a.epoch, at.member, at.next)
		case a.epoch < before.epoch || a.offset < before.offset || a.epoch == before.epoch && a.sequence < before.sequence:
			crowd.problem("partition %d: commit %d of offset %d in epoch %d follows commit %d of offset %d in epoch %d",
				a.partition, a.sequence, a.offset, a.epoch, before.sequence, before.offset, before.epoch)
		}
		newest[a.partition] = a
	}
	if len(c.all) == 0 {
		crowd.problem("no commit was accepted")
	}
}

// distribution is what a list of durations looks like.
func distribution(all []time.Duration) string {
	if len(all) == 0 {
		return "none"
	}
	s := slices.Sorted(slices.Values(all))
	at := func(q float64) time.Duration { return s[int(q*float64(len(s)-1)+0.5)].Round(time.Millisecond) }
	return fmt.Sprintf("%d: min %v, median %v, p95 %v, max %v", len(s), at(0), at(0.5), at(0.95), at(1))
}
