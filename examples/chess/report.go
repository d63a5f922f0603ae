package main

import (
	"cmp"
	"fmt"
	"io"
	"iter"
	"slices"
	"strings"
	"text/tabwriter"
)

// rowsMax is how many players and openings are printed.
const rowsMax = 10

// printReport says what became of the files, and what all games in the store come to.
func printReport(w io.Writer, done *Imported, t tables) error {
	out := new(strings.Builder)
	fmt.Fprintf(out, "%d games: %d imported, %d already imported, %d refused; %d events in %.1f s\n",
		done.Games, done.New, done.Known, len(done.Refused), done.Events, done.Elapsed.Seconds())
	for _, refused := range done.Refused {
		fmt.Fprintln(out, "refused:", refused)
	}
	for _, fault := range done.Faults {
		fmt.Fprintln(out, "fault:", fault)
	}

	fmt.Fprint(out, "\nresult\tgames\n")
	for _, result := range results {
		games, _ := t.totals.Get(result)
		fmt.Fprintf(out, "%s\t%d\n", result, games)
	}
	fmt.Fprint(out, "\nplayer\tscore\tgames\twon\tdrawn\tlost\n")
	for _, player := range top(t.players.All(), func(s Standing) float64 { return s.Score() }) {
		s := player.row
		fmt.Fprintf(out, "%s\t%.1f\t%d\t%d\t%d\t%d\n", player.key, s.Score(), s.Games(), s.Wins, s.Draws, s.Losses)
	}
	fmt.Fprint(out, "\nopening\tgames\twhite won\tdrawn\tblack won\tname\n")
	for _, opening := range top(t.openings.All(), func(f Frequency) float64 { return float64(f.White.Games()) }) {
		s := opening.row.White
		fmt.Fprintf(out, "%s\t%d\t%d\t%d\t%d\t%s\n", opening.key, s.Games(), s.Wins, s.Draws, s.Losses, opening.row.Name)
	}
	aligned := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	if _, err := io.WriteString(aligned, out.String()); err != nil {
		return err
	}
	return aligned.Flush()
}

// ranked is a row of a read model with its key.
type ranked[Row any] struct {
	key string
	row Row
}

// top gives the rows with the highest ranks; equal ones by key.
func top[Row any](rows iter.Seq2[string, Row], rank func(Row) float64) []ranked[Row] {
	var all []ranked[Row]
	for key, row := range rows {
		all = append(all, ranked[Row]{key, row})
	}
	slices.SortFunc(all, func(a, b ranked[Row]) int {
		return cmp.Or(cmp.Compare(rank(b.row), rank(a.row)), cmp.Compare(a.key, b.key))
	})
	return all[:min(len(all), rowsMax)]
}
