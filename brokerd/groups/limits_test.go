package groups

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/strandlog/strand/internal/partitioner"
	"github.com/strandlog/strand/internal/wire"
)

// apply decides on requests of one group and stores the outcome.
func apply(t testing.TB, c *Coordinator, log *ledger, group string, requests ...Request) Decision {
	t.Helper()
	d := c.Decide(time.Unix(0, 0), group, requests)
	if len(d.Records) > 0 {
		if err := log.append(d.Records); err != nil {
			t.Fatal(err)
		}
		if err := c.Stored(time.Unix(0, 0), d, log.end()); err != nil {
			t.Fatal(err)
		}
	}
	return d
}

func size(d Decision) (n int) {
	for _, r := range d.Records {
		n += len(r.Key) + len(r.Value) + wire.RecordOverhead
	}
	return n
}

// TestKeysFit: the longest keys are those of a table topic, and all of a group lie in its partition.
func TestKeysFit(t *testing.T) {
	group := strings.Repeat("g", NameBytesMax)
	for k := kindGroup; k <= kindTopic; k++ {
		text := key{group: group, kind: k, id: named("x"), part: PartitionsMax - 1}.String()
		if len(text) > wire.StreamBytesMax {
			t.Errorf("%q has %d bytes, at most %d are possible", text, len(text), wire.StreamBytesMax)
		}
		if got, want := partitioner.Partition(text, 64), partitioner.Partition(group, 64); got != want {
			t.Errorf("%q lies in partition %d, its group in %d", text, got, want)
		}
	}
	if wire.PartitionsMax > PartitionsMax {
		t.Errorf("a topic may have %d partitions, a group takes %d", wire.PartitionsMax, PartitionsMax)
	}
}

// largest is a group with all that there may be.
func largest(t testing.TB) (*Coordinator, *ledger, string) {
	t.Helper()
	c, log, group := New(Limits{BytesMax: 1 << 30}), newLedger(), strings.Repeat("g", NameBytesMax)
	text := strings.Repeat("x", TextBytesMax)
	topics := make([]Topic, TopicsMax)
	for i := range topics {
		topics[i] = Topic{named(fmt.Sprint("t", i)), PartitionsMax / TopicsMax}
	}
	var joins []Request
	for i := range MembersMax {
		joins = append(joins, Join{Member: named(fmt.Sprint("m", i)), Instance: fmt.Sprintf("%0200d", i), Client: text, Host: text, Topics: topics,
			SessionTimeout: SessionTimeoutMax, RebalanceTimeout: RebalanceTimeoutMax})
	}
	for len(joins) > 0 {
		d := apply(t, c, log, group, joins...)
		for _, r := range d.Replies {
			if r.Err != nil {
				t.Fatal(r.Err)
			}
		}
		if size(d) > wire.AppendBytesMax {
			t.Fatalf("a turn of joins takes %d bytes", size(d))
		}
		joins = joins[len(d.Replies):]
	}
	d, err := c.Describe(group)
	if err != nil {
		t.Fatal(err)
	}
	var releases []Request
	for _, m := range d.Members {
		releases = append(releases, Heartbeat{Member: m.Member, Instance: m.Instance, Epoch: m.Epoch, Released: m.Revoked})
	}
	for len(releases) > 0 {
		releases = releases[len(apply(t, c, log, group, releases...).Replies):]
	}
	return c, log, group
}

// TestLargestTurns: the records of any turn fit in one append, and each of them in a record.
func TestLargestTurns(t *testing.T) {
	c, log, group := largest(t)
	fits := func(what string, d Decision) {
		t.Helper()
		t.Logf("%s: %d records, %d bytes", what, len(d.Records), size(d))
		if size(d) > wire.AppendBytesMax {
			t.Errorf("%s takes %d bytes, an append %d", what, size(d), wire.AppendBytesMax)
		}
		for _, r := range d.Records {
			if len(r.Value) > wire.RecordBytesMax {
				t.Errorf("%s: the value of %s has %d bytes", what, r.Key, len(r.Value))
			}
		}
		for _, r := range d.Replies {
			if r.Err != nil {
				t.Error(what, r.Err)
			}
		}
	}
	join := Join{Member: named("one too many"), Topics: []Topic{{named("t0"), PartitionsMax / TopicsMax}}}
	if d := apply(t, c, log, group, join); !errors.Is(d.Replies[0].Err, ErrLimit) {
		t.Errorf("member %d: %v", MembersMax+1, d.Replies[0].Err)
	}
	// All offsets there may be, with as much metadata as a request takes, by force: every member gets its partitions anew.
	var reset ResetOffsets
	for i := range TopicsMax {
		for p := range PartitionsMax / TopicsMax {
			reset.Offsets = append(reset.Offsets, Offset{Partition{named(fmt.Sprint("t", i)), int32(p)}, 1<<63 - 1, 1<<64 - 1, strings.Repeat("x", 60)})
		}
	}
	reset.Force = true
	fits("a reset", apply(t, c, log, group, reset))
	one := ResetOffsets{Force: true, Offsets: []Offset{{Partition: reset.Offsets[0].Partition, Offset: 5}, {Partition: Partition{Topic: named("other")}}}}
	if d := apply(t, c, log, group, one); !errors.Is(d.Replies[0].Err, ErrLimit) || len(d.Records) > 0 {
		t.Errorf("offset %d: %v, %d records", PartitionsMax+1, d.Replies[0].Err, len(d.Records))
	}
	reset.Offsets = append(reset.Offsets, reset.Offsets...)
	if d := apply(t, c, log, group, reset); !errors.Is(d.Replies[0].Err, ErrLimit) {
		t.Errorf("a reset of %d offsets: %v", len(reset.Offsets), d.Replies[0].Err)
	}
	// Commits with all the metadata there may be, many at once: a turn takes as many as fit.
	var commits []Request
	for m := range 300 {
		d, err := c.Describe(group)
		if err != nil {
			t.Fatal(err)
		}
		a := d.Members[m].Assigned[0]
		commits = append(commits, CommitOffsets{Member: d.Members[m].Member, Instance: d.Members[m].Instance, Epoch: 1,
			Offsets: []Commit{{Assignment: a, Sequence: 1, Offset: 1<<63 - 1, LeaderEpoch: 1<<64 - 1, Metadata: strings.Repeat("x", MetadataBytesMax)}}})
	}
	large := commits[0].(CommitOffsets)
	for len(large.Offsets)*MetadataBytesMax <= RequestBytesMax {
		large.Offsets = append(large.Offsets, large.Offsets[0])
	}
	if d := apply(t, c, log, group, large); !errors.Is(d.Replies[0].Err, ErrLimit) {
		t.Errorf("a commit of %d offsets: %v", len(large.Offsets), d.Replies[0].Err)
	}
	first := apply(t, c, log, group, commits...)
	fits("commits", first)
	if n := len(first.Replies); n == 0 || n == len(commits) || size(first) > TurnBytesMax+64<<10 {
		t.Errorf("a turn took %d of %d commits, %d bytes", n, len(commits), size(first))
	}
	fits("the rest", apply(t, c, log, group, commits[len(first.Replies):]...))
	fits("a deleted topic", apply(t, c, log, group, ForgetTopic{named("t0")}))
	now := time.Unix(0, 0).Add(SessionTimeoutMax)
	d := c.Decide(now, group, nil)
	if len(d.Expired) != MembersMax {
		t.Errorf("%d members expired", len(d.Expired))
	}
	fits("all expire", d)
	if err := log.append(d.Records); err != nil {
		t.Fatal(err)
	}
	if err := c.Stored(now, d, log.end()); err != nil {
		t.Fatal(err)
	}
	fits("a deletion", apply(t, c, log, group, Delete{}))
	if c.Bytes() != 0 {
		t.Errorf("%d bytes are left of nothing", c.Bytes())
	}
}

// TestCoordinatorsAreBounded: what would make groups grow beyond the limits is refused, what does not grow goes on.
func TestCoordinatorsAreBounded(t *testing.T) {
	c, log := New(Limits{GroupsMax: 2, BytesMax: 8 << 10}), newLedger()
	join := func(name string) Join { return Join{Member: named(name), Topics: []Topic{{named("t"), 2}}} }
	ok := func(d Decision) {
		t.Helper()
		for _, r := range d.Replies {
			if r.Err != nil {
				t.Error(r.Err)
			}
		}
	}
	refused := func(d Decision) {
		t.Helper()
		if err := d.Replies[len(d.Replies)-1].Err; !errors.Is(err, ErrLimit) {
			t.Errorf("got %v, want %v", err, ErrLimit)
		}
	}
	ok(apply(t, c, log, "a", join("1")))
	ok(apply(t, c, log, "b", ResetOffsets{}))
	refused(apply(t, c, log, "c", join("1")))
	refused(apply(t, c, log, "c", ResetOffsets{}))
	ok(apply(t, c, log, "b", Delete{}))
	ok(apply(t, c, log, "c", ResetOffsets{}))

	// Open turns count.
	open := c.Decide(time.Unix(0, 0), "a", []Request{join("2"), join("3")})
	ok(open)
	refused(apply(t, c, log, "c", join("1"), join("2")))
	if err := c.Dropped(open); err != nil {
		t.Fatal(err)
	}
	n := 0
	for ; ; n++ {
		d := apply(t, c, log, "a", Heartbeat{Member: named("1"), Epoch: 1}, join(fmt.Sprint("more", n)))
		if d.Replies[0].Err != nil || n > 100 {
			t.Fatalf("member %d: %v", n, d.Replies[0].Err)
		}
		if d.Replies[1].Err != nil {
			refused(d)
			break
		}
	}
	if n == 0 || c.Bytes() > 8<<10 {
		t.Errorf("%d members joined, %d bytes", n, c.Bytes())
	}
	wide := Heartbeat{Member: named("1"), Epoch: 1, Topics: []Topic{{named("t"), 2}, {named("wide"), 1000}}}
	if d := apply(t, c, log, "a", wide); !errors.Is(d.Replies[0].Err, ErrLimit) {
		t.Errorf("a topic of 1000 partitions: %v", d.Replies[0].Err)
	}
	metadata := func(sequence uint64, n int) Decision {
		a := Assignment{Partition{named("t"), 0}, 1}
		return apply(t, c, log, "a", CommitOffsets{Member: named("1"), Epoch: 1, Offsets: []Commit{{Assignment: a, Sequence: sequence, Metadata: strings.Repeat("x", n)}}})
	}
	if d := metadata(1, 100); d.Replies[0].Commits[0] != nil {
		t.Error(d.Replies[0].Commits[0])
	}
	if d := metadata(2, MetadataBytesMax); !errors.Is(d.Replies[0].Commits[0], ErrLimit) {
		t.Error(d.Replies[0].Commits[0])
	}
	if d := metadata(2, MetadataBytesMax+1); !errors.Is(d.Replies[0].Commits[0], ErrInvalid) {
		t.Error(d.Replies[0].Commits[0])
	}
	if d := metadata(3, 100); d.Replies[0].Commits[0] != nil {
		t.Error(d.Replies[0].Commits[0])
	}
}

// TestWaitingHeartbeatsCount: whoever waits for the next turn is not taken for dead in this one.
func TestWaitingHeartbeatsCount(t *testing.T) {
	c, log := New(Limits{}), newLedger()
	topics := []Topic{{named("t"), 1}}
	apply(t, c, log, "g", Join{Member: named("m1"), Topics: topics, SessionTimeout: SessionTimeoutMax}, Join{Member: named("m2"), Topics: topics})
	var requests []Request
	for i := range uint64(300) {
		requests = append(requests, CommitOffsets{Member: named("m1"), Epoch: 1, Offsets: []Commit{
			{Assignment: Assignment{Partition{named("t"), 0}, 1}, Sequence: i + 1, Offset: int64(i), Metadata: strings.Repeat("x", MetadataBytesMax)}}})
	}
	requests = append(requests, Heartbeat{Member: named("m2"), Epoch: 1})
	now := time.Unix(0, 0).Add(SessionTimeoutDefault)
	for turns := 0; len(requests) > 0; turns++ {
		d := c.Decide(now, "g", requests)
		if len(d.Expired) > 0 {
			t.Fatalf("in turn %d, with %d requests behind it, %v expired", turns, len(requests)-len(d.Replies), d.Expired)
		}
		if requests = requests[len(d.Replies):]; len(requests) == 0 && turns == 0 {
			t.Fatal("all fit in one turn")
		}
		if err := log.append(d.Records); err != nil {
			t.Fatal(err)
		}
		if err := c.Stored(now, d, log.end()); err != nil {
			t.Fatal(err)
		}
	}
}

// TestNames holds for groups and instances alike.
func TestNames(t *testing.T) {
	for _, name := range []string{"a", "A9", "billing.eu_1-x", strings.Repeat("a", NameBytesMax)} {
		if reason, ok := checkName(name); !ok {
			t.Errorf("%q: %s", name, reason)
		}
	}
	for _, name := range []string{"", ".a", "-a", "_a", "a b", "a/b", "a{b}", "ä", "a\x00", "a\n", "a*", ">", strings.Repeat("a", NameBytesMax+1)} {
		if reason, ok := checkName(name); ok || reason == "" {
			t.Errorf("%q is a name", name)
		}
		c := New(Limits{})
		d := c.Decide(time.Unix(0, 0), name, []Request{Join{Member: named("m"), Topics: []Topic{{named("t"), 1}}}, Delete{}})
		for _, r := range d.Replies {
			if !errors.Is(r.Err, ErrInvalid) {
				t.Errorf("group %q: %v", name, r.Err)
			}
		}
		if len(d.Replies) != 2 || len(c.groups) > 0 {
			t.Errorf("group %q: %d replies, %d groups", name, len(d.Replies), len(c.groups))
		}
	}
	for _, text := range []string{"a\x7f", "\xff", strings.Repeat("a", TextBytesMax+1), "a\u0085"} {
		if reason, ok := checkText(text); ok || reason == "" {
			t.Errorf("%q may be shown", text)
		}
	}
}

func TestHostileJoins(t *testing.T) {
	c, log := New(Limits{}), newLedger()
	topics := make([]Topic, TopicsMax+1)
	for i := range topics {
		topics[i] = Topic{uuid.New(), 1}
	}
	for name, j := range map[string]Join{
		"no id":           {Topics: topics[:1]},
		"too many topics": {Member: named("m"), Topics: topics},
		"no topic id":     {Member: named("m"), Topics: []Topic{{uuid.Nil, 1}}},
		"a long client":   {Member: named("m"), Topics: topics[:1], Client: strings.Repeat("a", TextBytesMax+1)},
		"no UTF-8":        {Member: named("m"), Topics: topics[:1], Host: "\xff"},
	} {
		if d := apply(t, c, log, "g", j); !errors.Is(d.Replies[0].Err, ErrInvalid) || len(d.Records) > 0 {
			t.Errorf("%s: %v", name, d.Replies[0].Err)
		}
	}
}

// TestRoomInATurn: two that come in one turn share the room that there is.
func TestRoomInATurn(t *testing.T) {
	c, log := New(Limits{}), newLedger()
	d := apply(t, c, log, "g", Join{Member: named("m1"), Topics: []Topic{{named("t"), 3000}}}, Join{Member: named("m2"), Topics: []Topic{{named("u"), 3000}}})
	if first, second := d.Replies[0].Err, d.Replies[1].Err; first != nil || !errors.Is(second, ErrLimit) {
		t.Errorf("%v and %v", first, second)
	}
}

// BenchmarkCommit decides on one commit and takes it in: a small group, and the largest.
func BenchmarkCommit(b *testing.B) {
	run := func(c *Coordinator, group string) func(*testing.B) {
		return func(b *testing.B) {
			d, err := c.Describe(group)
			if err != nil {
				b.Fatal(err)
			}
			m := d.Members[0]
			sequence, end := uint64(0), int64(1)<<40
			for b.Loop() {
				sequence++
				end++
				d := c.Decide(time.Unix(0, 0), group, []Request{CommitOffsets{Member: m.Member, Instance: m.Instance, Epoch: m.Epoch,
					Offsets: []Commit{{Assignment: m.Assigned[0], Sequence: sequence, Offset: int64(sequence)}}}})
				if d.Replies[0].Err != nil || d.Replies[0].Commits[0] != nil {
					b.Fatal(d.Replies[0])
				}
				if err := c.Stored(time.Unix(0, 0), d, end); err != nil {
					b.Fatal(err)
				}
			}
		}
	}
	small, log := New(Limits{}), newLedger()
	apply(b, small, log, "g", Join{Member: named("m"), Topics: []Topic{{named("t"), 8}}})
	b.Run("small", run(small, "g"))
	large, _, group := largest(b)
	b.Run("large", run(large, group))
}

// TestForgottenTopicMakesRoom: what a topic took of the limits is free in the turn that forgets it.
func TestForgottenTopicMakesRoom(t *testing.T) {
	c, log := New(Limits{}), newLedger()
	join := func(name string) Join {
		return Join{Member: named(name), Topics: []Topic{{named("topic of " + name), PartitionsMax}}}
	}
	apply(t, c, log, "g", join("1"))
	if d := apply(t, c, log, "g", join("2")); !errors.Is(d.Replies[0].Err, ErrLimit) {
		t.Errorf("a second topic: %v", d.Replies[0].Err)
	}
	if d := apply(t, c, log, "g", ForgetTopic{named("topic of 1")}, join("2")); d.Replies[1].Err != nil {
		t.Error(d.Replies[1].Err)
	}
}
