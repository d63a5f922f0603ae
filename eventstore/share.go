package eventstore

import (
	"context"
	"errors"
	"fmt"

	"github.com/strandlog/strand/commitlog"
)

// Groups is implemented by a [Log] whose readers can share its partitions, as the members of consumer groups. [*commitlog.Client] is one, [*Memory] is
// not: nobody but the process itself can read it.
type Groups interface {
	Share(ctx context.Context, group string, topics []commitlog.Topic, cfg commitlog.MemberConfig, work func(ctx context.Context, a *commitlog.Assignment) error) error
	ResetOffsets(ctx context.Context, group string, offsets []commitlog.GroupOffset, force bool) error
}

// HasGroups says whether Share can be used.
func (s *Store) HasGroups() bool {
	_, ok := s.log.(Groups)
	return ok
}

// Share makes the process a member of a consumer group that shares the partitions of the store's topic: see [commitlog.Client.Share]. Without groups it
// is ErrInvalid.
func (s *Store) Share(ctx context.Context, group string, cfg commitlog.MemberConfig, work func(ctx context.Context, a *commitlog.Assignment) error) error {
	groups, ok := s.log.(Groups)
	if !ok {
		return &commitlog.InvalidError{Reason: fmt.Sprintf("the store of topic %q lies on a log without consumer groups", s.topic.Name)}
	}
	return groups.Share(ctx, group, []commitlog.Topic{s.topic}, cfg, work)
}

// reassignTries is how often workers are told to begin anew when it is not known whether they were: once more does no harm.
const reassignTries = 5

// Reassign has every member of a group end its work and begin anew, under new epochs. Without groups there is nobody, and it does nothing.
func (s *Store) Reassign(ctx context.Context, group string) error {
	groups, ok := s.log.(Groups)
	if !ok {
		return nil
	}
	offsets := make([]commitlog.GroupOffset, len(s.topic.Partitions))
	for p := range offsets {
		offsets[p] = commitlog.GroupOffset{Topic: s.topic.ID, Partition: int32(p), Offset: commitlog.NoOffset}
	}
	for try := 1; ; try++ {
		err := groups.ResetOffsets(ctx, group, offsets, true)
		if !errors.Is(err, commitlog.ErrIndefinite) || ctx.Err() != nil || try == reassignTries {
			return err
		}
	}
}
