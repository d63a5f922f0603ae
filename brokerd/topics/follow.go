package topics

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"
)

// startMax bounds the start of one topic, for which others wait. What is not started by then is tried again.
const startMax = 20 * time.Second

// reconcilePause is how long a node waits before it tries again what it could not start or stop.
const reconcilePause = time.Second

// Follow keeps up with the catalogue of a cluster, which any of its nodes may change: it starts this node's part of topics that are ready, and stops
// that of those that are not any more. It returns when ctx ends.
func (c *Catalogue) Follow(ctx context.Context) error {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	wake := make(chan struct{}, 1)
	failed := make(chan error, 1)
	go func() {
		defer close(failed)
		for e, err := range c.log.Live(ctx) {
			if err == nil {
				err = c.fold(e)
				c.passed()
			}
			if err != nil {
				failed <- err
				return
			}
			select {
			case wake <- struct{}{}:
			default:
			}
		}
	}()
	retry := time.NewTicker(reconcilePause)
	defer retry.Stop()
	for {
		select {
		case <-ctx.Done():
			for range failed { // until the reader has ended: why does not matter any more
			}
			return nil
		case err := <-failed:
			if ctx.Err() != nil || err == nil {
				return nil
			}
			return fmt.Errorf("following the catalogue: %w", err)
		case <-wake:
		case <-retry.C:
		}
		c.reconcile(ctx)
	}
}

// passed counts an event of Live.
func (c *Catalogue) passed() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.read++
	if c.more != nil {
		close(c.more)
		c.more = nil
	}
}

// Reach returns when Follow has taken in so many events of the log.
func (c *Catalogue) Reach(ctx context.Context, events int64) error {
	for {
		c.mu.Lock()
		if c.read >= events {
			c.mu.Unlock()
			return nil
		}
		if c.more == nil {
			c.more = make(chan struct{})
		}
		more, read := c.more, c.read
		c.mu.Unlock()
		select {
		case <-more:
		case <-ctx.Done():
			return fmt.Errorf("waiting for event %d of the catalogue, at %d: %w", events, read, ctx.Err())
		}
	}
}

// fold takes in one event, unless this node has made it itself.
func (c *Catalogue) fold(e Event) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	old := c.byName[e.Stream]
	if e.Version <= old.version {
		return nil
	}
	t, err := old.evolve(e)
	if err != nil {
		return err
	}
	if e.Type == typeAltered {
		c.altered[t.ID] = t
	}
	c.remember(e.Stream, t)
	return nil
}

// remember notes a topic as it is now. The caller holds mu.
func (c *Catalogue) remember(stream string, t Topic) {
	if c.cfg.Nodes > 1 && (t.State == Deleting || t.State == Gone) { // a node alone stops a topic as it deletes it, and reconciles nothing
		c.ended[t.ID] = t
	}
	c.byName[stream] = t
}

// Started starts this node's part of all topics that are ready, and returns when they are.
func (c *Catalogue) Started(ctx context.Context) error {
	for _, t := range c.List() {
		if err := c.startListed(ctx, t); err != nil {
			return fmt.Errorf("starting topic %q: %w", t.Name, err)
		}
	}
	return nil
}

// heardMax is how long it may take until this node hears that a topic was deleted whose log is gone.
const heardMax = 5 * time.Second

// startListed starts a topic that may be deleted by another node meanwhile.
func (c *Catalogue) startListed(ctx context.Context, t Topic) error {
	limit := time.NewTimer(heardMax)
	defer limit.Stop()
	retry := time.NewTicker(reconcilePause)
	defer retry.Stop()
	for {
		err := c.startReady(ctx, t)
		if err == nil {
			return nil
		}
		if _, there := c.ByID(t.ID); !there {
			return nil
		}
		select {
		case <-retry.C:
		case <-limit.C:
			return err
		case <-ctx.Done():
			return err
		}
	}
}

// startReady starts a topic once: others may be at it.
func (c *Catalogue) startReady(ctx context.Context, t Topic) error {
	c.starting.Lock()
	defer c.starting.Unlock()
	if c.cfg.Nodes > 1 { // of a topic that is deleted meanwhile a copy may never come
		limited, cancel := context.WithTimeout(ctx, startMax)
		defer cancel()
		ctx = limited
	}
	return c.shards.Start(ctx, t)
}

// reconcile starts and stops what the catalogue says. What fails is tried again.
func (c *Catalogue) reconcile(ctx context.Context) {
	c.mu.Lock()
	ended, altered := c.ended, c.altered
	c.ended, c.altered = map[uuid.UUID]Topic{}, map[uuid.UUID]Topic{}
	c.mu.Unlock()
	for id, t := range ended {
		if err := c.shards.Stop(ctx, t); err != nil && ctx.Err() == nil {
			c.cfg.Logger.Warn("a deleted topic could not be stopped, trying again", "topic", t.Name, "error", err)
			c.mu.Lock()
			c.ended[id] = t
			c.mu.Unlock()
		}
	}
	for _, t := range c.List() {
		if err := c.startReady(ctx, t); err != nil && ctx.Err() == nil {
			c.cfg.Logger.Warn("a topic could not be started, trying again", "topic", t.Name, "error", err)
		}
	}
	for _, t := range altered { // one that is started later begins with what it says then
		c.shards.Alter(t)
	}
}

// Lead is called when this node has begun to lead the catalogue, before it changes it: it reads what others have written, and finishes creations and
// deletions that were cut off with them.
func (c *Catalogue) Lead(ctx context.Context) error {
	c.change.Lock()
	defer c.change.Unlock()
	for e, err := range c.log.Events(ctx) {
		if err != nil {
			return fmt.Errorf("reading the catalogue: %w", err)
		}
		if err := c.fold(e); err != nil {
			return err
		}
	}
	for _, t := range c.sorted() {
		var err error
		switch t.State {
		case Creating:
			_, err = c.start(ctx, t)
		case Deleting:
			err = c.remove(ctx, t)
		}
		if err != nil {
			return fmt.Errorf("finishing topic %q (%s): %w", t.Name, t.State, err)
		}
	}
	return nil
}
