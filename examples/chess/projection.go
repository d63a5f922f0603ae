package main

import (
	"context"
	"strings"

	"github.com/strandlog/strand/eventstore"
	"github.com/strandlog/strand/projections"
)

// finished is the event that every read model is made of.
type finished = eventstore.Recorded[Finished]

// Standing is what a player has achieved.
type Standing struct{ Wins, Draws, Losses, Open int }

// Games is the number of games that the player took part in.
func (s Standing) Games() int { return s.Wins + s.Draws + s.Losses + s.Open }

// Score is one point for a win and half of one for a draw.
func (s Standing) Score() float64 { return float64(s.Wins) + float64(s.Draws)/2 }

// add counts a game, seen by the player whose win is the result won.
func (s *Standing) add(result, won string) {
	switch result {
	case won:
		s.Wins++
	case draw:
		s.Draws++
	case open:
		s.Open++
	default:
		s.Losses++
	}
}

// Frequency is how often an opening was played, and how White did with it.
type Frequency struct {
	Name  string // the family, as the files call it; of several the shortest
	White Standing
}

func (f *Frequency) add(opening Opening, result string) {
	if name, _, _ := strings.Cut(opening.Name, ":"); f.Name == "" || name != "" && (len(name) < len(f.Name) || len(name) == len(f.Name) && name < f.Name) {
		f.Name = name
	}
	f.White.add(result, whiteWins)
}

// The read models: games by result, standings by player, frequencies by opening. Their folds do not depend on the order of the games,
// since games lie on many partitions.
var (
	totals = projections.Define("totals", projections.FoldBy(
		func(e finished) string { return e.Data.Result },
		func(games *int, _ finished) { *games++ },
	))
	players = projections.Define("players",
		projections.FoldBy(
			func(e finished) string { return e.Data.White },
			func(s *Standing, e finished) { s.add(e.Data.Result, whiteWins) },
		),
		projections.FoldBy(
			func(e finished) string { return e.Data.Black },
			func(s *Standing, e finished) { s.add(e.Data.Result, blackWins) },
		),
	)
	openings = projections.Define("openings", projections.FoldBy(
		func(e finished) string { return e.Data.Opening.Key() },
		func(f *Frequency, e finished) { f.add(e.Data.Opening, e.Data.Result) },
	))
)

// tables hold the read models.
type tables struct {
	totals   *projections.Memory[int]
	players  *projections.Memory[Standing]
	openings *projections.Memory[Frequency]
}

// project makes the read models of all games that are in the store.
func project(ctx context.Context, store *eventstore.Store) (tables, error) {
	t := tables{projections.NewMemory[int](), projections.NewMemory[Standing](), projections.NewMemory[Frequency]()}
	if err := projections.CatchUp(ctx, store, totals, t.totals); err != nil {
		return tables{}, err
	}
	if err := projections.CatchUp(ctx, store, players, t.players); err != nil {
		return tables{}, err
	}
	return t, projections.CatchUp(ctx, store, openings, t.openings)
}
