package topics

import "context"

// Read answers which topics a catalogue says that there are, in whatever state, by name. It changes nothing.
func Read(ctx context.Context, log Log) ([]Topic, error) {
	c := &Catalogue{log: log}
	if err := c.load(ctx); err != nil {
		return nil, err
	}
	return c.sorted(), nil
}
