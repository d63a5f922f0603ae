package groups

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/google/uuid"
)

// process is a program that wants to be a member: what a client has to do, in the smallest form.
type process struct {
	instance           string
	id                 uuid.UUID
	topics             []Topic
	session, rebalance time.Duration

	paused, ended bool
	share         *Share // the newest that it was told; nil: it has not joined
	request       int    // its newest join or heartbeat: no other answer counts
	answered      int    // the newest that was answered: copies of its answer come too late
	running       map[Partition]*work
	stopped       map[Partition]uint64 // the newest epoch under which it will not work on a partition again
}

// work is what a process does on one partition.
type work struct {
	epoch    uint64
	next     int64
	sequence uint64
	stopping bool
}

func (p *process) awake() bool { return !p.paused && !p.ended }

// beat is the join or heartbeat that it would send.
func (p *process) beat() Request {
	if p.share == nil {
		return Join{Member: p.id, Instance: p.instance, Topics: p.topics, SessionTimeout: p.session, RebalanceTimeout: p.rebalance}
	}
	h := Heartbeat{Member: p.id, Instance: p.instance, Epoch: p.share.Epoch, Released: p.released()}
	if !slices.Equal(p.share.Topics, p.wants()) {
		h.Topics = p.topics
	}
	return h
}

// wants lists the topics to which it would subscribe.
func (p *process) wants() (ids []uuid.UUID) {
	for _, t := range p.topics {
		ids = append(ids, t.ID)
	}
	slices.SortFunc(ids, compareIDs)
	return ids
}

// released lists what its share still lists and it has stopped for good. While it works on a partition at all, it releases nothing of it.
func (p *process) released() (list []Assignment) {
	add := func(a Assignment) {
		if p.running[a.Partition] == nil && p.stopped[a.Partition] >= a.Epoch {
			list = append(list, a)
		}
	}
	for _, s := range p.share.Assigned {
		add(s.Assignment)
	}
	for _, a := range p.share.Revoked {
		add(a)
	}
	return list
}

// told takes in the answer to its newest join or heartbeat.
func (p *process) told(r Reply) {
	switch {
	case r.Err != nil:
		p.refused(r.Err)
	case r.Share != nil:
		p.share = r.Share
		p.follow()
	}
}

// refused ends what it does. It goes on as a new member, unless another process has its name.
func (p *process) refused(err error) {
	clear(p.running)
	clear(p.stopped)
	p.share, p.id = nil, uuid.New()
	p.ended = errors.Is(err, ErrFencedInstance)
}

// follow starts and stops work as the share has it.
func (p *process) follow() {
	listed := map[Partition]bool{}
	for _, s := range p.share.Assigned {
		listed[s.Partition] = true
		switch w := p.running[s.Partition]; {
		case w == nil && p.stopped[s.Partition] < s.Epoch:
			p.running[s.Partition] = &work{epoch: s.Epoch, next: max(s.Offset, 0)}
		case w != nil && w.epoch < s.Epoch:
			w.stopping = true // first the former assignment ends
		}
	}
	for _, a := range p.share.Revoked {
		listed[a.Partition] = true
		if w := p.running[a.Partition]; w != nil {
			w.stopping = true
		} else {
			p.stopped[a.Partition] = max(p.stopped[a.Partition], a.Epoch)
		}
	}
	for at, w := range p.running {
		w.stopping = w.stopping || !listed[at]
	}
}

// finish lets the work on a partition that is stopping come to its end.
func (p *process) finish(at Partition) {
	p.stopped[at] = max(p.stopped[at], p.running[at].epoch)
	delete(p.running, at)
	p.follow()
}

func (p *process) stopping() (list []Partition) {
	for at, w := range p.running {
		if w.stopping {
			list = append(list, at)
		}
	}
	slices.SortFunc(list, Partition.compare)
	return list
}

// working lists the partitions that it works on.
func (p *process) working() []Partition {
	return slices.SortedFunc(maps.Keys(p.running), Partition.compare)
}

// commit is what it would commit next of a partition.
func (p *process) commit(at Partition, records int64) CommitOffsets {
	w := p.running[at]
	w.next += records
	w.sequence++
	return CommitOffsets{Member: p.id, Instance: p.instance, Epoch: p.share.Epoch,
		Offsets: []Commit{{Assignment: Assignment{at, w.epoch}, Sequence: w.sequence, Offset: w.next}}}
}

func (p *process) String() string {
	return fmt.Sprintf("member %s (instance %q, paused %t, ended %t) works on %v", p.id, p.instance, p.paused, p.ended, p.working())
}
