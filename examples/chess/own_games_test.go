package main

import (
	"context"
	"io"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/strandlog/strand/aggregates"
	"github.com/strandlog/strand/brokerd/broker"
	"github.com/strandlog/strand/eventstore"
	"github.com/strandlog/strand/projections"
)

// TestOwnGames imports the example's games into a broker, and compares what comes out with a plain scan of their files.
func TestOwnGames(t *testing.T) {
	store := startStore(t)
	repository := aggregates.NewRepository(store, games)
	imported := importOwn(t, repository)
	headers := scanHeaders(t)

	if imported.New != len(headers) || imported.Known != 0 || imported.Err() != nil {
		t.Fatalf("%d games of %d were imported, %d were known: %v", imported.New, len(headers), imported.Known, imported.Refused)
	}
	t.Logf("%d games, %d events", imported.New, imported.Events)

	t.Run("totals", func(t *testing.T) { compareTables(t, store, headers) })
	t.Run("again", func(t *testing.T) {
		again := importOwn(t, repository)
		if again.Known != len(headers) || again.New != 0 || again.Events != 0 {
			t.Errorf("the second import found %d known games and %d new ones, and appended %d events", again.Known, again.New, again.Events)
		}
	})
	t.Run("events", func(t *testing.T) {
		stored := 0
		for _, err := range store.All(t.Context()) {
			if err != nil {
				t.Fatal(err)
			}
			stored++
		}
		if stored != imported.Events {
			t.Errorf("the store holds %d events, and %d were appended", stored, imported.Events)
		}
	})
	t.Run("boards", func(t *testing.T) { compareBoards(t, repository, imported) })
}

// compareTables compares the read models with the headers of the files.
func compareTables(t *testing.T, store *eventstore.Store, headers []map[string]string) {
	t.Helper()
	wantTotals, wantScores, wantOpenings := map[string]int{}, map[string]float64{}, map[string]int{}
	points := map[string][2]float64{"1-0": {1, 0}, "0-1": {0, 1}, "1/2-1/2": {0.5, 0.5}}
	for _, h := range headers {
		wantTotals[h["Result"]]++
		wantScores[h["White"]] += points[h["Result"]][0]
		wantScores[h["Black"]] += points[h["Result"]][1]
		wantOpenings[h["ECO"]]++
	}
	tables, err := project(t.Context(), store)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(wantTotals, collect(tables.totals, func(n int) int { return n })); diff != "" {
		t.Errorf("games by result (-files +projection):\n%s", diff)
	}
	if diff := cmp.Diff(wantScores, collect(tables.players, Standing.Score)); diff != "" {
		t.Errorf("scores (-files +projection):\n%s", diff)
	}
	if diff := cmp.Diff(wantOpenings, collect(tables.openings, func(f Frequency) int { return f.White.Games() })); diff != "" {
		t.Errorf("openings (-files +projection):\n%s", diff)
	}
}

func collect[Row, V any](rows *projections.Memory[Row], value func(Row) V) map[string]V {
	all := map[string]V{}
	for key, row := range rows.All() {
		all[key] = value(row)
	}
	return all
}

// compareBoards compares positions with those that another implementation of the rules, python-chess, gives for the same moves.
func compareBoards(t *testing.T, repository *aggregates.Repository[Game], imported *Imported) {
	for _, test := range []struct {
		game, plies int
		want        Position
		why         string
	}{
		{1, 0, "rnbqkbnr/pppppppp/8/8/8/8/PPPPPPPP/RNBQKBNR w KQkq - 0 1", "the start"},
		{1, 2, "rnbqkbnr/pppp1ppp/4p3/8/4P3/8/PPPP1PPP/RNBQKBNR w KQkq - 0 2", "the French Defense"},
		{1, 25, "r2kQb1r/pbpp3p/1pn1p3/7B/3PP2q/P1N5/1PP2PPP/R3K2R b KQ - 2 13", "mate"},
		{1, -1, "r2kQb1r/pbpp3p/1pn1p3/7B/3PP2q/P1N5/1PP2PPP/R3K2R b KQ - 2 13", "the end"},
		{13, 27, "r1b2rk1/1pp1npp1/pb1P2qp/8/1PBpN3/P2P1N2/2P2PPP/R2QR1K1 b - - 0 14", "a pawn taken en passant"},
		{14, 67, "3b2Q1/7k/6n1/p6p/1p1BQ3/1B1P4/PP5P/5K2 b - - 0 34", "a promotion"},
		{102, 41, "r4rk1/pp3pp1/1np2q2/6bR/6P1/1BN1PQ2/PPK5/5R2 b - - 0 21", "London 1834"},
		{104, 75, "5N2/1p5k/3p4/8/8/pPn5/P2N4/K3n3 b - - 0 38", "a promotion to a knight"},
		{500, 33, "r2r2k1/pp1bbppp/4pn2/8/1PBN4/P3P3/1B3PPP/2RR2K1 b - - 0 17", "castled on both sides"},
		{661, 100, "4b1k1/2p5/6p1/3Pqp1p/2p2P1P/5PP1/5BK1/8 w - - 0 51", "the last game"},
	} {
		key, err := imported.Key(test.game)
		if err != nil {
			t.Fatal(err)
		}
		g, err := at(t.Context(), repository, key, test.plies)
		if err != nil {
			t.Fatal(err)
		}
		if g.Position != test.want || test.plies >= 0 && g.Plies != test.plies {
			t.Errorf("game %d after %d half-moves (%s): after %d it is\n%s, want\n%s", test.game, test.plies, test.why, g.Plies, g.Position, test.want)
		}
	}
	key, err := imported.Key(1)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := at(t.Context(), repository, key, 26); err == nil {
		t.Error("the first game has 25 half-moves, and there was a board after 26")
	}
}

// startStore opens a store on a broker of its own.
func startStore(t *testing.T) *eventstore.Store {
	t.Helper()
	b, err := broker.Start(t.Context(), broker.Config{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := b.Close(context.Background()); err != nil { // the test's own context has ended
			t.Error(err)
		}
	})
	store, err := eventstore.Open(t.Context(), b.Client(), eventstore.Config{}, games)
	if err != nil {
		t.Fatal(err)
	}
	return store
}

func importOwn(t *testing.T, repository *aggregates.Repository[Game]) *Imported {
	t.Helper()
	files, err := openFiles(nil)
	if err != nil {
		t.Fatal(err)
	}
	defer files.Close()
	imported, err := importFiles(t.Context(), repository, files, newProgress(io.Discard, files.Bytes()))
	if err != nil {
		t.Fatal(err)
	}
	return imported
}

// scanHeaders finds the headers of the own games by their look alone.
func scanHeaders(t *testing.T) []map[string]string {
	t.Helper()
	header := regexp.MustCompile(`(?m)^\[(\w+) "(.*)"\]$`)
	var found []map[string]string
	for _, file := range []string{"games/lichess-100.pgn", "games/world-matches.pgn"} {
		content, err := ownFiles.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, parts := range header.FindAllStringSubmatch(strings.ReplaceAll(string(content), "\r", ""), -1) {
			if parts[1] == "Event" {
				found = append(found, map[string]string{})
			}
			found[len(found)-1][parts[1]] = parts[2]
		}
	}
	return found
}
