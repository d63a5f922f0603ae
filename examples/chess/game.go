package main

import "github.com/strandlog/strand/aggregates"

// Game is the state of one game, the aggregate of this example. It refers to no memory, so that a copy is a clone.
type Game struct {
	White, Black string
	Opening      Opening
	Position     Position // empty: not started
	Plies        int      // half-moves played
	Result       string   // empty: not finished
}

// Event is a fact about a game.
type Event = aggregates.Event[Game]

var games = aggregates.Type[Game]{
	Name: "game",
	Events: map[string]Event{
		"started":  Started{},
		"moved":    Moved{},
		"finished": Finished{},
	},
}

// started says whether the game exists.
func (g Game) started() bool { return g.Position != "" }
