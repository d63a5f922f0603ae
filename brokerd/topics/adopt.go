package topics

import (
	"context"
	"encoding/json"
	"fmt"
)

// Adopt takes over a topic whose log is there already, under the ids that it has: a topic of a backup. Errors: ErrExists.
func (c *Catalogue) Adopt(ctx context.Context, t Topic) (Topic, error) {
	c.change.Lock()
	defer c.change.Unlock()
	old := c.get(stream(t.Name))
	if old.State != "" && old.State != Gone {
		return Topic{}, fmt.Errorf("%w: %q (id %s)", ErrExists, t.Name, old.ID)
	}
	data, err := json.Marshal(created{ID: t.ID, LogID: t.LogID, Spec: t.TopicSpec, Created: t.Created})
	if err != nil {
		return Topic{}, fmt.Errorf("encoding topic %q: %w", t.Name, err)
	}
	old.Name = t.Name
	if t, err = c.record(ctx, old, typeCreated, data); err != nil {
		return Topic{}, err
	}
	return c.start(ctx, t)
}
