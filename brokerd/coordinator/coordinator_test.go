package coordinator

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"github.com/strandlog/strand/brokerd/groups"
	"github.com/strandlog/strand/internal/partitioner"
	"github.com/strandlog/strand/internal/recordbatch"
	"github.com/strandlog/strand/internal/wire"
)

// memoryLog is a shard of the groups topic. What it answers can be changed.
type memoryLog struct {
	mu      sync.Mutex
	batches [][]byte
	next    int64
	proofs  int

	answer wire.Code       // instead of storing
	forget wire.Code       // after storing
	proof  wire.Code       // instead of a proof
	hold   <-chan struct{} // until it is closed, nothing is answered
}

func (l *memoryLog) set(change func(*memoryLog)) {
	l.mu.Lock()
	defer l.mu.Unlock()
	change(l)
}

func (l *memoryLog) Produce(_, _ uint64, batches []wire.ProduceBatch, _ int, done func([]wire.ProduceResult)) {
	l.mu.Lock()
	defer l.mu.Unlock()
	r := wire.ProduceResult{Code: l.answer, BaseOffset: l.next}
	if l.answer == wire.OK {
		b := slices.Clone(batches[0].Batch)
		recordbatch.Stamp(b, l.next, 1)
		info, err := recordbatch.Peek(b)
		if err != nil {
			panic(err)
		}
		l.batches, l.next, r.Code = append(l.batches, b), info.Next(), l.forget
	}
	if hold := l.hold; hold != nil {
		go func() {
			<-hold
			done([]wire.ProduceResult{r})
		}()
		return
	}
	done([]wire.ProduceResult{r})
}

func (l *memoryLog) Fetch(_ context.Context, req wire.FetchRequest, _ func(context.Context, int) error, _ *[]byte) wire.FetchResponse {
	l.mu.Lock()
	defer l.mu.Unlock()
	r := wire.FetchResponse{HighWatermark: l.next}
	for _, b := range l.batches {
		if info, _ := recordbatch.Peek(b); info.Next() > req.Offset {
			r.Batches = append(r.Batches, b...)
		}
	}
	return r
}

func (l *memoryLog) Get(_ context.Context, req wire.GetRequest, _ func(context.Context, int) error) wire.GetResponse {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !req.Strict {
		return wire.GetResponse{Code: wire.Invalid}
	}
	l.proofs++
	return wire.GetResponse{Code: l.proof}
}

const all = 4

var topicID = uuid.MustParse("0190b5a4-7c7e-7000-8000-0123456789ab")

func start(t *testing.T, cfg Config) *Coordinator {
	t.Helper()
	cfg.Partitions, cfg.All = []int32{0, 1, 2, 3}, all
	c := Start(t.Context(), cfg)
	t.Cleanup(func() {
		c.Close()
		c.Wait()
	})
	return c
}

func ask(t *testing.T, c *Coordinator, group string, req wire.GroupRequest) wire.GroupResponse {
	t.Helper()
	req.Group, req.Partition = group, partitioner.Partition("{"+group+"}", all)
	return c.Group(t.Context(), req)
}

func join(t *testing.T, c *Coordinator, group string) (uuid.UUID, *wire.GroupShare) {
	t.Helper()
	id := uuid.New()
	r := ask(t, c, group, wire.GroupRequest{Join: &wire.GroupJoin{Member: id, Topics: []wire.GroupTopic{{ID: topicID, Partitions: 2}}}})
	if r.Code != wire.OK || r.Share == nil {
		t.Fatalf("joining: %v %s", r.Code, r.Detail)
	}
	return id, r.Share
}

func beat(t *testing.T, c *Coordinator, group string, member uuid.UUID, epoch uint64, released ...wire.GroupAssignment) wire.GroupResponse {
	t.Helper()
	return ask(t, c, group, wire.GroupRequest{Heartbeat: &wire.GroupHeartbeat{Member: member, Epoch: epoch, Released: released}})
}

func commit(t *testing.T, c *Coordinator, group string, member uuid.UUID, epoch uint64, a wire.GroupAssignment, sequence uint64, offset int64) wire.GroupResponse {
	t.Helper()
	return ask(t, c, group, wire.GroupRequest{Commit: &wire.GroupCommit{Member: member, Epoch: epoch, Offsets: []wire.GroupCommitOffset{
		{GroupAssignment: a, Sequence: sequence, Offset: offset},
	}}})
}

// TestPartitionMoves has a second member come: what moves to it goes on where the first one stopped, and the first one is fenced.
func TestPartitionMoves(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log := &memoryLog{}
		c := start(t, Config{Log: log, Session: 1, Epoch: 7})
		first, share := join(t, c, "billing")
		if len(share.Assigned) != 2 || share.Assigned[0].Offset != wire.NoGroupOffset {
			t.Fatalf("the only member has %+v", share)
		}
		second, other := join(t, c, "billing")
		if len(other.Assigned) != 0 {
			t.Fatalf("the second member has %+v before the first one gave anything up", other)
		}
		r := beat(t, c, "billing", first, share.Epoch)
		if r.Share == nil || len(r.Share.Revoked) != 1 || len(r.Share.Assigned) != 1 || r.Epoch != 7 {
			t.Fatalf("the first member is told %+v", r)
		}
		revoked := r.Share.Revoked[0]
		if r := commit(t, c, "billing", first, r.Share.Epoch, revoked, 1, 42); r.Code != wire.OK || r.Commits[0].Code != wire.OK {
			t.Fatalf("the last commit of what is revoked: %+v", r)
		}
		beat(t, c, "billing", first, r.Share.Epoch, revoked)
		got := beat(t, c, "billing", second, other.Epoch).Share
		if got == nil || len(got.Assigned) != 1 || got.Assigned[0].GroupPartition != revoked.GroupPartition || got.Assigned[0].Offset != 42 || got.Assigned[0].Epoch <= revoked.Epoch {
			t.Fatalf("the second member has %+v, want partition %d from offset 42 on under a new epoch", got, revoked.Partition)
		}
		before := log.proofs
		late := commit(t, c, "billing", first, r.Share.Epoch, revoked, 2, 43)
		if late.Code != wire.OK || late.Commits[0].Code != wire.FencedMember {
			t.Fatalf("a commit of what was given up: %+v", late)
		}
		if log.proofs == before {
			t.Error("a refusal was given without a proof")
		}
		info := ask(t, c, "billing", wire.GroupRequest{Describe: true})
		if info.Code != wire.OK || len(info.Groups) != 1 || info.Groups[0].State != "stable" || len(info.Groups[0].Members) != 2 || info.Groups[0].Offsets[0].Offset != 42 {
			t.Fatalf("described as %+v", info)
		}
	})
}

// TestFailover has another coordinator go on from the log: members and offsets are there, and members have their time anew.
func TestFailover(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log := &memoryLog{}
		old := start(t, Config{Log: log})
		member, share := join(t, old, "billing")
		commit(t, old, "billing", member, share.Epoch, share.Assigned[0].GroupAssignment, 1, 5)
		<-time.After(5 * time.Second)
		old.Close()
		old.Wait()
		if r := beat(t, old, "billing", member, share.Epoch); r.Code != wire.NotLeader {
			t.Fatalf("a coordinator that was closed answered %v", r.Code)
		}
		c := start(t, Config{Log: log})
		<-time.After(5 * time.Second)
		if r := beat(t, c, "billing", member, share.Epoch); r.Code != wire.OK || r.Share != nil {
			t.Fatalf("the member is told %+v, though nothing changed", r)
		}
		info := ask(t, c, "billing", wire.GroupRequest{Describe: true}).Groups[0]
		if info.Offsets[0].Offset != 5 || len(info.Members[0].Assigned) != 2 {
			t.Fatalf("described as %+v", info)
		}
	})
}

func TestSilentMemberIsTakenForDead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := start(t, Config{Log: &memoryLog{}})
		silent, _ := join(t, c, "billing")
		other, share := join(t, c, "billing")
		epoch := share.Epoch
		for range 5 {
			<-time.After(2 * time.Second)
			if r := beat(t, c, "billing", other, epoch); r.Share != nil {
				share, epoch = r.Share, r.Share.Epoch
			}
		}
		if len(share.Assigned) != 2 {
			t.Fatalf("after ten seconds the member that lives has %+v", share)
		}
		if r := beat(t, c, "billing", silent, 0); r.Code != wire.UnknownMember {
			t.Fatalf("the one that was silent is answered %v", r.Code)
		}
	})
}

// TestUnknownOutcome has the log store a turn and then not say so. The request, sent again, finds its effect.
func TestUnknownOutcome(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log := &memoryLog{}
		c := start(t, Config{Log: log})
		member, share := join(t, c, "billing")
		at := share.Assigned[0].GroupAssignment
		log.set(func(l *memoryLog) { l.forget = wire.Unknown })
		if r := commit(t, c, "billing", member, share.Epoch, at, 1, 9); r.Code != wire.Unknown {
			t.Fatalf("answered %v", r.Code)
		}
		log.set(func(l *memoryLog) { l.forget = wire.OK })
		before := log.next
		if r := commit(t, c, "billing", member, share.Epoch, at, 1, 9); r.Code != wire.OK || r.Commits[0].Code != wire.OK {
			t.Fatalf("sent again: %+v", r)
		}
		if log.next != before {
			t.Error("it was stored again: the first one was not read")
		}
		if log.proofs == 0 {
			t.Error("the log was read again without a commit that decides what became of the turn")
		}
	})
}

// TestRefusedTurn has the log refuse a turn for certain: it has no effect, and the next one has.
func TestRefusedTurn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log := &memoryLog{}
		c := start(t, Config{Log: log})
		member, share := join(t, c, "billing")
		at := share.Assigned[0].GroupAssignment
		for _, code := range []wire.Code{wire.Retry, wire.NotLeader, wire.Overloaded, wire.NoStorage, wire.NotEnoughSync} {
			log.set(func(l *memoryLog) { l.answer = code })
			if r := commit(t, c, "billing", member, share.Epoch, at, 1, 9); r.Code != code {
				t.Fatalf("answered %v, the log %v", r.Code, code)
			}
		}
		log.set(func(l *memoryLog) { l.answer = wire.OK })
		if r := commit(t, c, "billing", member, share.Epoch, at, 1, 10); r.Code != wire.OK || r.Commits[0].Code != wire.OK {
			t.Fatalf("then: %+v", r)
		}
	})
}

// TestDeposedRefusesNobody has a coordinator whose sequencer was deposed: what it would refuse it leaves to the one that leads.
func TestDeposedRefusesNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log := &memoryLog{}
		c := start(t, Config{Log: log})
		_, share := join(t, c, "billing")
		log.set(func(l *memoryLog) { l.proof = wire.NotLeader })
		stranger := uuid.New()
		if r := beat(t, c, "billing", stranger, 0); r.Code != wire.NotLeader {
			t.Errorf("a stranger's heartbeat: %v", r.Code)
		}
		if r := commit(t, c, "billing", stranger, share.Epoch, share.Assigned[0].GroupAssignment, 1, 1); r.Code != wire.NotLeader {
			t.Errorf("a stranger's commit: %v", r.Code)
		}
		if r := ask(t, c, "other", wire.GroupRequest{Describe: true}); r.Code != wire.NotLeader {
			t.Errorf("a question: %v", r.Code)
		}
	})
}

// TestRequestsShareATurn has requests wait for the turn before them, and then share one batch.
func TestRequestsShareATurn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log := &memoryLog{}
		c := start(t, Config{Log: log})
		join(t, c, "billing")
		release := make(chan struct{})
		log.set(func(l *memoryLog) { l.hold = release })
		before := len(log.batches)
		var joining sync.WaitGroup
		joining.Go(func() { join(t, c, "billing") })
		synctest.Wait()
		for range 10 {
			joining.Go(func() { join(t, c, "billing") })
		}
		synctest.Wait()
		log.set(func(l *memoryLog) { l.hold = nil })
		close(release)
		joining.Wait()
		if got := len(log.batches) - before; got != 2 {
			t.Errorf("11 members came in %d batches, want 2", got)
		}
	})
}

func TestCorruptPartition(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log := &memoryLog{}
		var b recordbatch.Builder
		b.Reset(0, 0, 0)
		b.Append(recordbatch.Entry{Key: []byte("{billing}/nonsense"), Value: []byte("x")})
		log.batches, log.next = [][]byte{b.AppendTo(nil)}, 1
		c := start(t, Config{Log: log})
		if r := beat(t, c, "billing", uuid.New(), 0); r.Code != wire.Corrupt || r.Detail == "" {
			t.Fatalf("answered %v %q", r.Code, r.Detail)
		}
	})
}

// TestDeletedTopicIsForgotten has a topic go: groups keep nothing of it.
func TestDeletedTopicIsForgotten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		var gone []uuid.UUID
		err := errors.New("not known yet")
		c := start(t, Config{Log: &memoryLog{}, Gone: func(context.Context, []uuid.UUID) ([]uuid.UUID, error) {
			mu.Lock()
			defer mu.Unlock()
			return gone, err
		}})
		member, share := join(t, c, "billing")
		commit(t, c, "billing", member, share.Epoch, share.Assigned[0].GroupAssignment, 1, 9)
		mu.Lock()
		gone, err = []uuid.UUID{topicID}, nil
		mu.Unlock()
		for range 20 {
			<-time.After(2 * time.Second)
			beat(t, c, "billing", member, share.Epoch)
		}
		info := ask(t, c, "billing", wire.GroupRequest{Describe: true}).Groups[0]
		if len(info.Offsets) != 0 || len(info.Members) != 1 || len(info.Members[0].Assigned) != 0 {
			t.Fatalf("after the topic was deleted: %+v", info)
		}
	})
}

func TestListAndDelete(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := start(t, Config{Log: &memoryLog{}})
		member, _ := join(t, c, "billing")
		at := partitioner.Partition("{billing}", all)
		want := []wire.GroupInfo{{Name: "billing", State: "stable", Epoch: 1, Size: 1}}
		if diff := cmp.Diff(want, c.Group(t.Context(), wire.GroupRequest{List: true, Partition: at}).Groups); diff != "" {
			t.Errorf("listed (-want +got):\n%s", diff)
		}
		if r := ask(t, c, "billing", wire.GroupRequest{Delete: true}); r.Code != wire.GroupNotEmpty {
			t.Errorf("deleting a group with members: %v", r.Code)
		}
		if r := ask(t, c, "billing", wire.GroupRequest{Leave: &wire.GroupLeave{Member: member}}); r.Code != wire.OK {
			t.Errorf("leaving: %v", r.Code)
		}
		if r := ask(t, c, "billing", wire.GroupRequest{Delete: true}); r.Code != wire.OK {
			t.Errorf("deleting: %v %s", r.Code, r.Detail)
		}
		if r := ask(t, c, "billing", wire.GroupRequest{Describe: true}); r.Code != wire.UnknownGroup {
			t.Errorf("describing what was deleted: %v", r.Code)
		}
	})
}

func TestBadRequests(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := start(t, Config{Log: &memoryLog{}})
		for name, r := range map[string]wire.GroupResponse{
			"nothing":           ask(t, c, "billing", wire.GroupRequest{}),
			"another partition": c.Group(t.Context(), wire.GroupRequest{Group: "billing", Describe: true, Partition: (partitioner.Partition("{billing}", all) + 1) % all}),
			"no partition":      c.Group(t.Context(), wire.GroupRequest{List: true, Partition: all}),
			"hostile name":      ask(t, c, "a}b", wire.GroupRequest{Reset: &wire.GroupReset{}}),
			"timeout":           ask(t, c, "billing", wire.GroupRequest{Join: &wire.GroupJoin{Member: uuid.New(), SessionTimeoutMS: 1 << 62, Topics: []wire.GroupTopic{{ID: topicID, Partitions: 1}}}}),
		} {
			if r.Code != wire.Invalid || r.Detail == "" {
				t.Errorf("%s: %v %q", name, r.Code, r.Detail)
			}
		}
	})
}

// TestStoppedProcess has the coordinator not run for a while: no member could be heard, so none is taken for dead.
func TestStoppedProcess(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log := &memoryLog{}
		c := start(t, Config{Log: log})
		member, share := join(t, c, "billing")
		p := c.partitions[partitioner.Partition("{billing}", all)]
		p.look(t.Context(), func(*groups.Coordinator) { <-time.After(time.Minute) })
		if r := beat(t, c, "billing", member, share.Epoch); r.Code != wire.OK {
			t.Fatalf("after a stop the member is answered %v", r.Code)
		}
	})
}

// TestHeartbeatWaits has a heartbeat wait for its member's share to change, which then does not take until the next one.
func TestHeartbeatWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := start(t, Config{Log: &memoryLog{}})
		first, share := join(t, c, "billing")
		wait := func(member uuid.UUID, epoch uint64) <-chan wire.GroupResponse {
			answer := make(chan wire.GroupResponse, 1)
			go func() {
				answer <- ask(t, c, "billing", wire.GroupRequest{Heartbeat: &wire.GroupHeartbeat{Member: member, Epoch: epoch, WaitMS: 2000}})
			}()
			return answer
		}
		began := time.Now()
		earlier := wait(first, share.Epoch) // whose client has given it up
		synctest.Wait()
		later := wait(first, share.Epoch)
		if <-earlier; time.Since(began) > 0 {
			t.Errorf("a heartbeat waited beside the next one of its member for %v", time.Since(began))
		}
		if r := <-later; r.Code != wire.OK || r.Share != nil || time.Since(began) != 2*time.Second {
			t.Fatalf("after %v: %+v", time.Since(began), r)
		}
		waiting := wait(first, share.Epoch)
		synctest.Wait()
		began = time.Now()
		join(t, c, "billing")
		if r := <-waiting; r.Share == nil || len(r.Share.Revoked) != 1 || time.Since(began) > 0 {
			t.Fatalf("after %v: %+v", time.Since(began), r)
		}
	})
}
