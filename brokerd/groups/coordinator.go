package groups

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/google/uuid"
)

// Decision is the outcome of a turn. Without records the replies hold as they are, and the turn is over. With them the group is busy until the
// coordinator is told what became of them, and the replies may be given when they are stored.
type Decision struct {
	Group   string
	Records []Record    // to be appended as one batch to the group's partition: all or none
	Replies []Reply     // to the first requests, in their order. Those behind them wait for the next turn
	Changed []uuid.UUID // members whose share changed, by seniority: they may be told to send a heartbeat at once
	Expired []Expired

	moved bool  // members or assignments changed
	grows int64 // bytes that were set aside for it
}

// Coordinator keeps the groups of one partition of the groups topic. See the package's documentation for how to drive it.
//
// Not safe for concurrent use.
type Coordinator struct {
	limits Limits
	groups map[string]*group
	bytes  int64 // keys and values of all records
	taken  int64 // bytes that open turns may add
	end    int64 // of the partition, as far as this coordinator knows
}

// New makes a coordinator without groups.
func New(limits Limits) *Coordinator {
	return &Coordinator{limits: limits.complete(), groups: map[string]*group{}}
}

// Apply takes in the next record of the partition, in a replay. An error ends it: the partition holds what this brokerd does not understand.
func (c *Coordinator) Apply(r Record) error {
	k, err := parseKey(string(r.Key))
	if err != nil {
		return err
	}
	g := c.groups[k.group]
	if g == nil {
		if r.Value == nil {
			return nil
		}
		g = newGroup(k.group)
		c.groups[k.group] = g
	}
	grown, err := g.apply(k, r.Value)
	if err != nil {
		return fmt.Errorf("%q: %w", r.Key, err)
	}
	c.bytes += int64(grown)
	if g.vacant() {
		delete(c.groups, k.group)
	}
	return nil
}

// Restarted ends a replay: end is the offset at which the next record will be appended. Every member has its timeouts in full from now on.
//
// Errors: [ErrCorrupt].
func (c *Coordinator) Restarted(now time.Time, end int64) error {
	var errs []error
	for _, name := range slices.Sorted(maps.Keys(c.groups)) {
		errs = append(errs, c.groups[name].check())
	}
	if err := errors.Join(errs...); err != nil {
		return err
	}
	c.end = end
	c.Woke(now)
	return nil
}

// Woke says that the coordinator was not driven for a while, and the members could not be heard: they have their timeouts in full from now on. Turns may be
// open.
func (c *Coordinator) Woke(now time.Time) {
	for _, g := range c.groups {
		g.restart(now)
	}
}

// Decide takes a turn of a group: the requests that wait, in the order in which they arrived, and then whoever was not heard for too long. It
// changes nothing but timers.
func (c *Coordinator) Decide(now time.Time, name string, requests []Request) Decision {
	g := c.groups[name]
	if g == nil {
		g = newGroup(name)
	}
	t := c.turn(g, now)
	if err := t.refuseTurn(); err != nil {
		for range requests {
			t.replies = append(t.replies, Reply{Err: err})
		}
		return Decision{Group: name, Replies: t.replies}
	}
	bytes := 0
	for _, r := range requests {
		more := r.bytes(g)
		if bytes > 0 && bytes+more > TurnBytesMax {
			break
		}
		bytes += more
		t.replies = append(t.replies, r.decide(t))
	}
	if len(t.replies) == len(requests) {
		t.expire()
	}
	d := Decision{Group: name, Records: t.finish(), Changed: t.changed, Expired: t.expired, moved: t.moved(), grows: max(t.grown, 0)}
	t.answer()
	d.Replies = t.replies
	if len(d.Records) > 0 {
		g.busy = true
		c.groups[name] = g
		c.taken += d.grows
	}
	return d
}

// refuseTurn refuses all requests to a group that cannot be, or that is busy.
func (t *turn) refuseTurn() error {
	if reason, ok := checkName(t.group.name); !ok {
		return &RefusedError{Kind: ErrInvalid, Group: t.group.name[:min(len(t.group.name), NameBytesMax)], Reason: reason}
	}
	if t.group.busy {
		return t.refuse(ErrBusy, "nothing was decided")
	}
	return nil
}

// Stored says that the records of a decision are in the log, and that its next record will be appended at end. The replies may be given then.
// An error means that the coordinator cannot go on: it has to be made anew from the log.
func (c *Coordinator) Stored(now time.Time, d Decision, end int64) error {
	g, err := c.close(d)
	if err != nil {
		return err
	}
	for _, r := range d.Records {
		if err := c.Apply(r); err != nil {
			return err
		}
	}
	c.end = max(c.end, end)
	if d.moved {
		g.settle(now)
	}
	return nil
}

// Dropped says that the records of a decision are not in the log and never will be. The replies must not be given: the requests had no effect.
// When it is unknown whether they are in the log, the coordinator has to be made anew from the log instead.
func (c *Coordinator) Dropped(d Decision) error {
	g, err := c.close(d)
	if err == nil && g.vacant() {
		delete(c.groups, d.Group)
	}
	return err
}

// close ends the open turn of a group.
func (c *Coordinator) close(d Decision) (*group, error) {
	g := c.groups[d.Group]
	if g == nil || !g.busy || len(d.Records) == 0 {
		return nil, &RefusedError{Kind: ErrBusy, Group: d.Group, Reason: "the decision is not of its open turn"}
	}
	g.busy = false
	c.taken -= d.grows
	return g, nil
}

// Names lists the groups by their names.
func (c *Coordinator) Names() []string {
	names := make([]string, 0, len(c.groups))
	for name, g := range c.groups {
		if g.stored {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// Due lists the groups in which a member will be taken for dead by the next turn, unless it is heard in it. Groups that are busy are left out.
func (c *Coordinator) Due(now time.Time) (names []string) {
	for name, g := range c.groups {
		if at := g.deadline(); !g.busy && !at.IsZero() && !at.After(now) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// Deadline is when the first member of a group is taken for dead unless it is heard, zero when there is none.
func (c *Coordinator) Deadline(name string) time.Time {
	if g := c.groups[name]; g != nil {
		return g.deadline()
	}
	return time.Time{}
}

// Bytes is about what the groups take: keys and values of their records.
func (c *Coordinator) Bytes() int64 { return c.bytes }
