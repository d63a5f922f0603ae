package main

import (
	"fmt"

	"github.com/strandlog/strand/aggregates"
)

// Command is an intent about a game.
type Command = aggregates.Command[Game]

// Start opens a game with the headers of its file.
type Start struct{ Tags map[string]string }

// Decide refuses a position that no game can start from.
func (c Start) Decide(g Game) ([]Event, error) {
	if g.started() {
		return nil, refuse("the game has started already")
	}
	position := initial
	if fen, ok := c.Tags["FEN"]; ok {
		position = Position(fen)
		if _, err := position.decode(); err != nil {
			return nil, err
		}
	}
	opening := Opening{ECO: known(c.Tags["ECO"]), Name: known(c.Tags["Opening"])}
	return []Event{Started{named(c.Tags["White"]), named(c.Tags["Black"]), position, opening, c.Tags}}, nil
}

// Play makes a half-move, in standard notation.
type Play struct{ SAN string }

// Decide refuses what is not exactly one legal move.
func (c Play) Decide(g Game) ([]Event, error) {
	if !g.started() || g.Result != "" {
		return nil, refuse("%s: nobody can move before the start and after the end", c.SAN)
	}
	san, next, err := g.Position.play(c.SAN)
	if err != nil {
		return nil, fmt.Errorf("move %s %s: %w", moveNumber(g.Position), c.SAN, err)
	}
	return []Event{Moved{san, next}}, nil
}

// Finish ends a game with a result.
type Finish struct{ Result string }

// Decide refuses a result that contradicts the board.
func (c Finish) Decide(g Game) ([]Event, error) {
	if !g.started() || g.Result != "" {
		return nil, refuse("only a game under way can end")
	}
	if !isResult(c.Result) {
		return nil, refuse("%q is no result: it must be one of %q", c.Result, results)
	}
	if forced, err := g.Position.result(); err != nil {
		return nil, err
	} else if forced != "" && forced != c.Result {
		return nil, refuse("the result is %s, and the last position makes it %s", c.Result, forced)
	}
	return []Event{Finished{g.White, g.Black, c.Result, g.Opening, g.Plies}}, nil
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
