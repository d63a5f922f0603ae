package main

import (
	"context"
	"fmt"
	"io"

	"github.com/strandlog/strand/aggregates"
)

// replay prints the board of a game after so many half-moves; negative: after the last.
func replay(ctx context.Context, w io.Writer, games *aggregates.Repository[Game], key string, plies int) error {
	g, err := at(ctx, games, key, plies)
	if err != nil {
		return err
	}
	board, err := g.Position.draw()
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(w, "\n%s – %s, after %d half-moves\n%s%s\n", g.White, g.Black, g.Plies, board, g.Position)
	return err
}

// at gives a game as it was after so many half-moves.
func at(ctx context.Context, games *aggregates.Repository[Game], key string, plies int) (Game, error) {
	last, err := games.Load(ctx, key)
	if err != nil || plies < 0 {
		return last.State, err
	}
	if plies > last.State.Plies {
		return Game{}, fmt.Errorf("there is no half-move %d: the game has %d", plies, last.State.Plies)
	}
	// The first event starts the game, every further one is a half-move.
	then, err := games.Load(ctx, key, aggregates.AtVersion(int64(1+plies)))
	return then.State, err
}
