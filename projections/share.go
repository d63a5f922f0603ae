package projections

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/strandlog/strand/commitlog"
	"github.com/strandlog/strand/eventstore"
)

// Private is implemented by sinks that nobody else can see, such as [Memory]. What they hold must come from all partitions, so workers do not share
// them out.
type Private interface{ Private() }

// shares says whether workers of several processes can make one read model.
func shares[T any](store *eventstore.Store, sink Sink[T]) bool {
	_, private := sink.(Private)
	return !private && store.HasGroups()
}

// Placed is implemented by sinks, and by [Admin], of places of which several can keep the read model of one projection, such as databases: their workers
// share the partitions only with those of the same place.
type Placed interface {
	// Place names it, with some letters and digits, and always says the same.
	Place(ctx context.Context) (string, error)
}

// Group is the name of the consumer group whose members run a projection version into the place of a sink, or of an [Admin]: NAME.vVERSION and, where that is
// [Placed], .PLACE.
func Group(ctx context.Context, p ID, in any) (string, error) {
	group := fmt.Sprintf("%s.v%d", p.Name, p.Version)
	placed, ok := in.(Placed)
	if !ok {
		return group, nil
	}
	place, err := placed.Place(ctx)
	if err != nil {
		return "", fmt.Errorf("looking up the place of projection %s: %w", p, err)
	}
	return group + "." + place, nil
}

// share is a member of the projection's group, until ctx ends or a worker fails. A sink that cannot be reached now is an error; later it is waited for.
func (j *job[T]) share(ctx context.Context) error {
	_, err := checkpoints(ctx, j.sink, j.projection.ID())
	var group string
	if err == nil {
		group, err = Group(ctx, j.projection.ID(), j.sink)
	}
	if err != nil {
		if ctx.Err() != nil && errors.Is(err, ctx.Err()) {
			return nil // the stop came before the work
		}
		return err
	}
	var mu sync.Mutex
	var late error // a handler that outlived the stop: the group does not care, but the caller has to know
	err = j.store.Share(ctx, group, commitlog.MemberConfig{StopTimeout: j.options.stopTimeout + stopMargin},
		func(ctx context.Context, a *commitlog.Assignment) error {
			err := j.own(ctx, a)
			if errors.Is(err, ErrStopTimeout) {
				mu.Lock()
				defer mu.Unlock()
				late = errors.Join(late, err)
			}
			return err
		})
	mu.Lock()
	defer mu.Unlock()
	if ctx.Err() != nil && err == nil {
		err = late
	}
	return err
}

// stopMargin is what a worker takes to return after its handlers' time is over.
const stopMargin = time.Second

// fencedMax is how long a worker that a later owner has fenced waits to be told that its partition has moved.
const fencedMax = time.Minute

// own works on a partition for as long as the member has it.
func (j *job[T]) own(ctx context.Context, a *commitlog.Assignment) error {
	for {
		err := patiently(ctx, j.options.logger, func() error { return j.workOn(ctx, a) }, "projection", j.projection.ID().String(), "partition", a.Partition)
		fenced := new(FencedError)
		switch {
		case ctx.Err() != nil:
			return err
		case !errors.As(err, &fenced):
			return err
		case fenced.Owner <= a.Epoch:
			continue // the read model was cleared: it is made anew
		}
		select { // the partition has moved
		case <-ctx.Done():
			return nil
		case <-time.After(fencedMax):
			return err
		}
	}
}

func (j *job[T]) workOn(ctx context.Context, a *commitlog.Assignment) (err error) {
	if err := j.setUp(ctx); err != nil { // once more after a reset
		return err
	}
	feed, err := j.feed(ctx, true) // as of now: another member may have come far since this one began
	if err != nil {
		return err
	}
	w, err := j.claim(ctx, feed, a.Partition, a.Epoch)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, w.close()) }()
	at := feed.topic.Partitions[a.Partition]
	j.meter.expect(max(at.End-max(w.lane.Checkpoint().Next, at.Start), 0))
	_, err = w.run(ctx)
	return err
}

// shareOnce is a member of the projection's group until all partitions have passed where they ended when it began, whoever works on them.
func (j *job[T]) shareOnce(ctx context.Context) (reached bool, err error) {
	feed, err := j.feed(ctx, false)
	if err != nil {
		return false, err
	}
	working, stop := context.WithCancel(ctx)
	defer stop()
	ended := make(chan error, 1)
	go func() {
		ended <- j.share(working)
		stop() // then nothing more comes
	}()
	for now, err := range j.sink.Watch(working, j.projection.ID()) {
		if err != nil {
			stop()
			shared := <-ended // when it failed, that is why the watch ended
			if shared == nil && ctx.Err() == nil {
				shared = fmt.Errorf("watching projection %s: %w", j.projection.ID(), err)
			}
			return false, shared
		}
		if now.Source == feed.source() && passed(feed.topic, now) {
			stop()
			return true, <-ended
		}
	}
	stop()
	return false, <-ended
}

// passed says whether all partitions are projected up to where they ended.
func passed(topic commitlog.Topic, now Checkpoints) bool {
	for i, p := range topic.Partitions {
		if now.Partitions[int32(i)].Next < p.End {
			return false
		}
	}
	return true
}
