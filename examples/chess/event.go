package main

// Started opens a game.
type Started struct {
	White, Black string
	Position     Position // that the game starts from
	Opening      Opening  // as the file names it; may be empty
	Tags         map[string]string
}

// Evolve sets up the board.
func (e Started) Evolve(g *Game) {
	g.White, g.Black, g.Position, g.Opening = e.White, e.Black, e.Position, e.Opening
}

// Moved is one half-move. It carries the position that it led to: what was legal then is not asked of a rules library again.
type Moved struct {
	SAN      string // in standard notation: "Nbd2", "exd8=Q+"
	Position Position
}

// Evolve puts the piece where it went.
func (e Moved) Evolve(g *Game) {
	g.Plies++
	g.Position = e.Position
	g.Opening = g.Opening.after(g.Plies, e.SAN)
}

// Finished ends a game. It repeats what projections need, so that they read this event alone.
type Finished struct {
	White, Black string
	Result       string
	Opening      Opening
	Plies        int
}

// Evolve ends the game.
func (e Finished) Evolve(g *Game) { g.Result = e.Result }
