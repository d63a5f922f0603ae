package main

// Import plays a whole game: all of it is appended, or, when one move is illegal, nothing. A game that is there already stays as it is.
type Import struct{ Sheet Sheet }

// Decide lets the commands of the game decide, each on what the one before it led to.
func (c Import) Decide(g Game) ([]Event, error) {
	if g.started() {
		return nil, nil
	}
	commands := []Command{Start{c.Sheet.Tags}}
	for _, san := range c.Sheet.Moves {
		commands = append(commands, Play{san})
	}
	commands = append(commands, Finish{c.Sheet.Result})

	var events []Event
	for _, command := range commands {
		next, err := command.Decide(g)
		if err != nil {
			return nil, err
		}
		for _, event := range next {
			event.Evolve(&g)
		}
		events = append(events, next...)
	}
	return events, nil
}
