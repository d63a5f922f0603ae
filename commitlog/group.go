package commitlog

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/strandlog/strand/internal/partitioner"
	"github.com/strandlog/strand/internal/wire"
)

// NoOffset is the offset of a partition of which a group has committed nothing.
const NoOffset int64 = wire.NoGroupOffset

// Group is a consumer group.
type Group struct {
	Name    string
	State   string // empty, reconciling while partitions are on their way from member to member, stable
	Epoch   uint64 // counts the changes of members and assignments
	Size    int    // members
	Members []GroupMember
	Offsets []GroupOffset // by topic and partition
}

// GroupMember is a member of a group.
type GroupMember struct {
	ID           uuid.UUID
	Instance     string
	Client, Host string
	State        string // stable, unrevoked while it has to give partitions up, unreleased while it waits for some, standby without any, away
	Heard        time.Time
	Session      time.Duration
	Assigned     []GroupAssignment // what it has and keeps
	Revoked      []GroupAssignment // what it has and has to give up
}

// GroupAssignment is a partition that a member has. The epoch belongs to this assignment alone.
type GroupAssignment struct {
	Topic     uuid.UUID
	Partition int32
	Epoch     uint64
}

// GroupOffset is the place from which a group reads a partition on.
type GroupOffset struct {
	Topic     uuid.UUID
	Partition int32
	Offset    int64 // of the next record; NoOffset: nothing is committed
}

// Groups lists the consumer groups by their names, without members and offsets.
func (c *Client) Groups(ctx context.Context) ([]Group, error) {
	t, err := c.Topic(ctx, wire.GroupsTopic)
	if errors.Is(err, ErrUnknownTopic) { // nobody has asked for one yet
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var all []Group
	for p := range t.Partitions {
		r, err := c.askCoordinator(ctx, t, int32(p), wire.GroupRequest{List: true}, "listing groups", c.cfg.ReadTimeout)
		if err != nil {
			return nil, err
		}
		for _, g := range r.Groups {
			all = append(all, newGroup(g))
		}
	}
	slices.SortFunc(all, func(a, b Group) int { return cmp.Compare(a.Name, b.Name) })
	return all, nil
}

// Group describes a consumer group: ErrUnknownGroup when there is none of that name.
func (c *Client) Group(ctx context.Context, name string) (Group, error) {
	r, err := c.askOldGroup(ctx, name, wire.GroupRequest{Describe: true}, "describing group "+name)
	if err != nil {
		return Group{}, err
	}
	if len(r.Groups) != 1 {
		return Group{}, &CorruptError{Topic: wire.GroupsTopic, Partition: -1, Offset: -1, Cause: fmt.Errorf("%d groups in the answer, not one", len(r.Groups))}
	}
	return newGroup(r.Groups[0]), nil
}

// ResetOffsets sets the places from which a group reads on, also backwards; an Offset of NoOffset forgets one. It makes the group if there is none. A group
// that has members is left alone with ErrGroupNotEmpty, unless force is set: then those that have the partitions begin anew at the new places.
//
// When the answer is lost this is not done again, which could take back what was committed since: ErrIndefinite.
func (c *Client) ResetOffsets(ctx context.Context, group string, offsets []GroupOffset, force bool) error {
	reset := &wire.GroupReset{Force: force}
	for _, o := range offsets {
		reset.Offsets = append(reset.Offsets, wire.GroupOffset{GroupPartition: wire.GroupPartition{Topic: o.Topic, Partition: o.Partition}, Offset: o.Offset})
	}
	_, err := c.askGroup(ctx, group, wire.GroupRequest{Reset: reset}, "resetting offsets of group "+group, c.cfg.ReadTimeout)
	return err
}

// DeleteGroup removes a group with its offsets. Errors: ErrUnknownGroup, ErrGroupNotEmpty while it has members, and ErrIndefinite when the answer is lost: it is
// not done again, because there may be another group of that name by then.
func (c *Client) DeleteGroup(ctx context.Context, name string) error {
	_, err := c.askOldGroup(ctx, name, wire.GroupRequest{Delete: true}, "deleting group "+name)
	return err
}

func newGroup(info wire.GroupInfo) Group {
	g := Group{Name: info.Name, State: info.State, Epoch: info.Epoch, Size: info.Size}
	for _, m := range info.Members {
		g.Members = append(g.Members, GroupMember{
			ID: m.Member, Instance: m.Instance, Client: m.Client, Host: m.Host, State: m.State, Heard: m.Heard,
			Session: time.Duration(m.SessionTimeoutMS) * time.Millisecond, Assigned: newAssignments(m.Assigned), Revoked: newAssignments(m.Revoked),
		})
	}
	for _, o := range info.Offsets {
		g.Offsets = append(g.Offsets, GroupOffset{Topic: o.Topic, Partition: o.Partition, Offset: o.Offset})
	}
	return g
}

func newAssignments(all []wire.GroupAssignment) []GroupAssignment {
	var converted []GroupAssignment
	for _, a := range all {
		converted = append(converted, GroupAssignment{Topic: a.Topic, Partition: a.Partition, Epoch: a.Epoch})
	}
	return converted
}

// groupsTopic looks the topic of the groups up, and has it made if it is not there.
func (c *Client) groupsTopic(ctx context.Context) (Topic, error) {
	c.mu.Lock()
	known := c.groups
	c.mu.Unlock()
	if known != nil {
		return *known, nil
	}
	t, err := c.findGroupsTopic(ctx)
	if err != nil {
		return Topic{}, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.groups = &t
	return t, nil
}

func (c *Client) findGroupsTopic(ctx context.Context) (Topic, error) {
	t, err := c.Topic(ctx, wire.GroupsTopic)
	if !errors.Is(err, ErrUnknownTopic) {
		return t, err
	}
	resp, _, err := c.manage(ctx, wire.SubjectTopicCreate, wire.TopicRequest{Spec: &wire.TopicSpec{Name: wire.GroupsTopic}}, "making the topic of groups")
	switch {
	case err != nil:
		return Topic{}, err
	case resp.Code != wire.OK:
		return Topic{}, c.catalogueError(wire.GroupsTopic, resp)
	}
	return oneTopic(wire.GroupsTopic, resp)
}

// askOldGroup asks for a group that must be there: it does not have the topic of the groups made for it.
func (c *Client) askOldGroup(ctx context.Context, group string, req wire.GroupRequest, doing string) (wire.GroupResponse, error) {
	_, err := c.Topic(ctx, wire.GroupsTopic)
	switch {
	case errors.Is(err, ErrUnknownTopic):
		return wire.GroupResponse{}, &GroupError{Group: group, Kind: ErrUnknownGroup, Reason: "there are no groups yet"}
	case err != nil:
		return wire.GroupResponse{}, err
	}
	return c.askGroup(ctx, group, req, doing, c.cfg.ReadTimeout)
}

// askGroup asks the coordinator of a group, wherever it moves. patience is that of patiently.
func (c *Client) askGroup(ctx context.Context, group string, req wire.GroupRequest, doing string, patience time.Duration) (wire.GroupResponse, error) {
	t, err := c.groupsTopic(ctx)
	if err != nil {
		return wire.GroupResponse{}, err
	}
	req.Group = group
	r, err := c.askCoordinator(ctx, t, partitioner.Partition("{"+group+"}", len(t.Partitions)), req, doing, patience)
	if errors.Is(err, ErrUnknownTopic) { // it is another one's by now: the broker's data were replaced
		c.mu.Lock()
		c.groups = nil
		c.mu.Unlock()
	}
	return r, err
}

func (c *Client) askCoordinator(ctx context.Context, t Topic, partition int32, req wire.GroupRequest, doing string, patience time.Duration) (wire.GroupResponse, error) {
	req.Partition = partition
	payload, err := req.AppendTo(nil)
	if err != nil {
		return wire.GroupResponse{}, &InvalidError{Reason: err.Error()}
	}
	r, err := c.newReader(t, partition)
	if err != nil {
		return wire.GroupResponse{}, err
	}
	ctx, release := c.lifetime.bind(ctx)
	defer release()
	var resp wire.GroupResponse
	err = r.ask(ctx, question{
		doing: doing, subject: func(at route) string { return at.group }, timeout: c.cfg.RequestTimeout, patience: patience,
		payload: func(mark) []byte { return payload }, lost: lostChange(&req),
		answer: func(reply []byte) (status, error) {
			if err := resp.Decode(reply); err != nil {
				return status{}, r.corrupt(-1, err)
			}
			if refused := groupError(req.Group, resp.Code, resp.Detail); refused != nil {
				return status{}, refused
			}
			return status{resp.Code, resp.Detail, resp.Epoch}, nil
		},
	})
	return resp, err
}

// lostChange has what changes a group for good sent once, unless nothing came of it. Nil: it may be sent again.
func lostChange(req *wire.GroupRequest) func(error) error {
	var reason string
	switch {
	case req.Reset != nil:
		reason = "its offsets may have been reset or not: look at them, and reset them again if they were not"
	case req.Delete:
		reason = "it may have been deleted or not: look whether it is there, and delete it again if it is"
	default:
		return nil
	}
	return func(cause error) error {
		return &GroupError{Group: req.Group, Kind: ErrIndefinite, Reason: fmt.Sprintf("%s: %v", reason, cause)}
	}
}
