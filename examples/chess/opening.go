package main

import "fmt"

// openingPlies is how many half-moves stand for an opening that the file does not name.
const openingPlies = 4

// Opening is what a game began with: as its file classifies it, and as it was played.
type Opening struct {
	ECO   string `json:",omitempty"` // of the Encyclopaedia of Chess Openings: "C50"
	Name  string `json:",omitempty"` // "Italian Game"
	Moves string `json:",omitempty"` // the first half-moves: "1. e4 e5 2. Nf3 Nc6"
}

// Key is the finest thing that is known of the opening in this order: ECO code, name, first moves.
func (o Opening) Key() string {
	switch {
	case o.ECO != "":
		return o.ECO
	case o.Name != "":
		return o.Name
	case o.Moves != "":
		return o.Moves
	default:
		return "no moves"
	}
}

// after is the opening with one more half-move, the game's ply-th.
func (o Opening) after(ply int, san string) Opening {
	if ply > openingPlies {
		return o
	}
	if ply%2 == 1 {
		san = fmt.Sprintf("%d. %s", (ply+1)/2, san)
	}
	if o.Moves != "" {
		san = o.Moves + " " + san
	}
	o.Moves = san
	return o
}
