package main

import (
	"fmt"

	"github.com/corentings/chess/v2"
)

// Import plays a whole game: all of it is appended, or, when one move is illegal, nothing. A game that is there already stays as it is.
type Import struct{ Sheet Sheet }

// Decide plays the game on a board. It refuses a position that no game can start from, what is not exactly one legal move, and a
// result that contradicts the board.
func (c Import) Decide(g Game) ([]Event, error) {
	if g.started() {
		return nil, nil
	}
	started, position, err := c.start()
	if err != nil {
		return nil, err
	}
	events := []Event{started}
	started.Evolve(&g)
	for ply, written := range c.Sheet.Moves {
		san, next, err := play(position, written)
		if err != nil {
			return nil, fmt.Errorf("half-move %d, %s: %w", ply+1, written, err)
		}
		moved := Moved{san, Position(next.String())}
		moved.Evolve(&g)
		events, position = append(events, moved), next
	}
	if forced := forced(position); forced != "" && forced != c.Sheet.Result {
		return nil, refuse("the result is %s, and the last position makes it %s", c.Sheet.Result, forced)
	}
	return append(events, Finished{g.White, g.Black, c.Sheet.Result, g.Opening, g.Plies}), nil
}

// start sets up the board.
func (c Import) start() (Started, *chess.Position, error) {
	tags := c.Sheet.Tags
	position := initial
	if fen, ok := tags["FEN"]; ok {
		position = Position(fen)
	}
	board, err := position.decode()
	opening := Opening{ECO: known(tags["ECO"]), Name: known(tags["Opening"])}
	return Started{named(tags["White"]), named(tags["Black"]), position, opening, tags}, board, err
}

// known is a header's value, empty when the file says that it does not know.
func known(value string) string {
	if value == "?" || value == "-" {
		return ""
	}
	return value
}

// named is a player's name, "?" when the file does not give one.
func named(player string) string {
	if player == "" {
		return "?"
	}
	return player
}
