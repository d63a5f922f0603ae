package coordinator

import (
	"errors"
	"math"
	"time"

	"github.com/google/uuid"
	"github.com/strandlog/strand/brokerd/groups"
	"github.com/strandlog/strand/internal/wire"
)

// toRequest is what a message asks of a group; false: nothing.
func toRequest(r wire.GroupRequest) (groups.Request, bool) {
	switch {
	case r.Join != nil:
		return groups.Join{
			Member: r.Join.Member, Instance: r.Join.Instance, Client: r.Join.Client, Host: r.Join.Host, Topics: toTopics(r.Join.Topics),
			SessionTimeout: millis(r.Join.SessionTimeoutMS), RebalanceTimeout: millis(r.Join.RebalanceTimeoutMS),
		}, true
	case r.Heartbeat != nil:
		return groups.Heartbeat{Member: r.Heartbeat.Member, Instance: r.Heartbeat.Instance, Epoch: r.Heartbeat.Epoch, Released: toAssignments(r.Heartbeat.Released)}, true
	case r.Leave != nil:
		return groups.Leave(*r.Leave), true
	case r.Commit != nil:
		offsets := make([]groups.Commit, len(r.Commit.Offsets))
		for i, o := range r.Commit.Offsets {
			offsets[i] = groups.Commit{
				Assignment: toAssignment(o.GroupAssignment), Sequence: o.Sequence, Offset: o.Offset, LeaderEpoch: o.LeaderEpoch, Metadata: o.Metadata,
			}
		}
		return groups.CommitOffsets{Member: r.Commit.Member, Instance: r.Commit.Instance, Epoch: r.Commit.Epoch, Offsets: offsets}, true
	case r.Reset != nil:
		offsets := make([]groups.Offset, len(r.Reset.Offsets))
		for i, o := range r.Reset.Offsets {
			offsets[i] = groups.Offset{Partition: groups.Partition(o.GroupPartition), Offset: o.Offset, LeaderEpoch: o.LeaderEpoch, Metadata: o.Metadata}
		}
		return groups.ResetOffsets{Force: r.Reset.Force, Offsets: offsets}, true
	case r.Delete:
		return groups.Delete{}, true
	}
	return nil, false
}

// millis is a duration of so many ms; what a duration cannot hold becomes one that no timeout may be.
func millis(ms int64) time.Duration {
	if ms < 0 || ms > math.MaxInt64/int64(time.Millisecond) {
		return -1
	}
	return time.Duration(ms) * time.Millisecond
}

func toTopics(topics []wire.GroupTopic) []groups.Topic {
	converted := make([]groups.Topic, len(topics))
	for i, t := range topics {
		converted[i] = groups.Topic(t)
	}
	return converted
}

func toAssignment(a wire.GroupAssignment) groups.Assignment {
	return groups.Assignment{Partition: groups.Partition(a.GroupPartition), Epoch: a.Epoch}
}

func toAssignments(all []wire.GroupAssignment) []groups.Assignment {
	converted := make([]groups.Assignment, len(all))
	for i, a := range all {
		converted[i] = toAssignment(a)
	}
	return converted
}

func fromAssignment(a groups.Assignment) wire.GroupAssignment {
	return wire.GroupAssignment{GroupPartition: wire.GroupPartition(a.Partition), Epoch: a.Epoch}
}

func fromAssignments(all []groups.Assignment) []wire.GroupAssignment {
	converted := make([]wire.GroupAssignment, len(all))
	for i, a := range all {
		converted[i] = fromAssignment(a)
	}
	return converted
}

func fromReply(r groups.Reply) (response wire.GroupResponse) {
	if r.Err != nil {
		response.Code, response.Detail = refusal(r.Err)
		return response
	}
	if r.Share != nil {
		share := &wire.GroupShare{
			Epoch: r.Share.Epoch, Assigned: make([]wire.GroupStart, len(r.Share.Assigned)), Revoked: fromAssignments(r.Share.Revoked),
			SessionTimeoutMS: r.Share.SessionTimeout.Milliseconds(), RebalanceTimeoutMS: r.Share.RebalanceTimeout.Milliseconds(),
		}
		for i, s := range r.Share.Assigned {
			share.Assigned[i] = wire.GroupStart{GroupAssignment: fromAssignment(s.Assignment), Offset: s.Offset, LeaderEpoch: s.LeaderEpoch}
		}
		response.Share = share
	}
	for _, err := range r.Commits {
		var result wire.GroupResult
		if err != nil {
			result.Code, result.Detail = refusal(err)
		}
		response.Commits = append(response.Commits, result)
	}
	return response
}

// refusal is the code of an error of the state machine, and what it says beyond that.
func refusal(err error) (wire.Code, string) {
	refused := new(groups.RefusedError)
	if !errors.As(err, &refused) {
		return wire.Internal, err.Error()
	}
	for kind, code := range map[error]wire.Code{
		groups.ErrInvalid: wire.Invalid, groups.ErrLimit: wire.GroupLimit, groups.ErrUnknownGroup: wire.UnknownGroup, groups.ErrGroupNotEmpty: wire.GroupNotEmpty,
		groups.ErrUnknownMember: wire.UnknownMember, groups.ErrFencedMember: wire.FencedMember, groups.ErrFencedInstance: wire.FencedInstance,
		groups.ErrOffsetBackwards: wire.OffsetBackwards, groups.ErrOutOfOrder: wire.OutOfOrder, groups.ErrBusy: wire.Retry, groups.ErrCorrupt: wire.Corrupt,
	} {
		if errors.Is(refused.Kind, kind) {
			return code, refused.Reason
		}
	}
	return wire.Internal, err.Error()
}

// list describes all groups in short.
func list(state *groups.Coordinator) []wire.GroupInfo {
	infos := []wire.GroupInfo{}
	for _, name := range state.Names() {
		if d, err := state.Describe(name); err == nil {
			infos = append(infos, wire.GroupInfo{Name: d.Name, State: string(d.State), Epoch: d.Epoch, Size: len(d.Members)})
		}
	}
	return infos
}

// describe describes one group with its members and offsets.
func describe(state *groups.Coordinator, name string) (wire.GroupInfo, error) {
	d, err := state.Describe(name)
	if err != nil {
		return wire.GroupInfo{}, err
	}
	offsets, err := state.FetchOffsets(name, nil)
	if err != nil {
		return wire.GroupInfo{}, err
	}
	info := wire.GroupInfo{Name: d.Name, State: string(d.State), Epoch: d.Epoch, Size: len(d.Members)}
	for _, m := range d.Members {
		member := wire.GroupMemberInfo{
			Member: m.Member, Instance: m.Instance, Client: m.Client, Host: m.Host, State: string(m.State), Epoch: m.Epoch, Topics: m.Topics,
			SessionTimeoutMS: m.SessionTimeout.Milliseconds(), RebalanceTimeoutMS: m.RebalanceTimeout.Milliseconds(), Heard: m.Heard.UTC(),
			Assigned: fromAssignments(m.Assigned), Revoked: fromAssignments(m.Revoked),
		}
		for _, p := range m.Awaited {
			member.Awaited = append(member.Awaited, wire.GroupPartition(p))
		}
		info.Members = append(info.Members, member)
	}
	for _, o := range offsets {
		info.Offsets = append(info.Offsets, wire.GroupOffset{GroupPartition: wire.GroupPartition(o.Partition), Offset: o.Offset, LeaderEpoch: o.LeaderEpoch, Metadata: o.Metadata})
	}
	return info, nil
}

// topicsOf lists the topics that a group knows.
func topicsOf(state *groups.Coordinator, name string) (ids []uuid.UUID) {
	seen := map[uuid.UUID]bool{}
	add := func(id uuid.UUID) {
		if !seen[id] {
			seen[id] = true
			ids = append(ids, id)
		}
	}
	d, err := state.Describe(name)
	if err != nil {
		return nil
	}
	for _, m := range d.Members {
		for _, id := range m.Topics {
			add(id)
		}
	}
	offsets, _ := state.FetchOffsets(name, nil) // the group is there
	for _, o := range offsets {
		add(o.Topic)
	}
	return ids
}
