package main

import (
	"bytes"
	"errors"
	"io"
	"iter"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"github.com/strandlog/strand/aggregates"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const twoMoves = `1. f3 e5 2. g4 Qh4# 0-1` + "\n\n"

func header(white, result string) string {
	return "[Event \"Test\"]\n[White \"" + white + "\"]\n[Black \"B\"]\n[Result \"" + result + "\"]\n\n"
}

// TestRunReports gives the program files with broken games among good ones: each is reported, and the good ones are imported.
func TestRunReports(t *testing.T) {
	good := header("Good", "0-1") + twoMoves
	for _, test := range []struct {
		name, pgn string
		want      []string // in the report
	}{
		{"all good", good + header("Other", "0-1") + twoMoves, []string{"2 games: 2 imported, 0 already imported, 0 refused; 12 events"}},
		{"the same twice", good + good, []string{"2 games: 1 imported, 1 already imported, 0 refused"}},
		{"illegal move", header("Bad", "1-0") + "1. e4 e5 2. Ke3 1-0\n\n" + good,
			[]string{"2 games: 1 imported", "game 1 (line 1): half-move 3, Ke3: is not legal in"}},
		{"move that leaves the king in check", header("Bad", "1-0") + "1. e4 f6 2. Qh5+ a6 1-0\n\n" + good,
			[]string{"1 imported", "game 1 (line 1): half-move 4, a6: is not legal in"}},
		{"ambiguous move", good + header("Bad", "1-0") + "1. Nf3 a6 2. d3 b6 3. Nd2 1-0\n",
			[]string{"1 imported", "game 2 (line 8): half-move 5, Nd2: describes 2 legal moves"}},
		{"knight on the wrong file", header("Bad", "*") + "1. Ngc3 *\n\n" + good, []string{"1 imported", "half-move 1, Ngc3: is not legal"}},
		{"cut off", good + header("Bad", "1-0") + "1. e4 e5 2. N", []string{"1 imported", "game 2 (line 8): it is cut off"}},
		{"cut off within a comment", header("Bad", "1-0") + "1. e4 {so far\n\n" + good, []string{"1 imported", "game 1 (line 1): it is cut off within a comment"}},
		{"headers only", header("Bad", "1-0") + good, []string{"2 games: 1 imported", "game 1 (line 1): it is cut off: no result"}},
		{"garbage", "\x00\xff\x01 no chess\n\n" + good, []string{"2 games: 1 imported", "game 1 (line 1): it has no headers"}},
		{"garbage behind", good + "and so on\n", []string{`game 1 (line 1): "and" stands behind the result`}},
		{"word that is no move", header("Bad", "*") + "1. e4 hello *\n", []string{"half-move 2, hello: is no move in standard notation"}},
		{"two results", header("Bad", "1-0") + twoMoves, []string{"game 1 (line 1): its header says 1-0, its moves end with 0-1"}},
		{"result against the board", header("Bad", "1-0") + strings.Replace(twoMoves, "0-1", "1-0", 1), []string{"the last position makes it 0-1"}},
		{"position without kings", "[FEN \"8/8/8/8/8/8/8/8 w - - 0 1\"]\n\n*\n", []string{"does not have one king on each side"}},
		{"empty file", "", []string{"0 games", "holds no game"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "test.pgn")
			if err := os.WriteFile(file, []byte(test.pgn), 0o600); err != nil {
				t.Fatal(err)
			}
			var report, progress bytes.Buffer
			err := run(t.Context(), []string{file}, &report, &progress)
			broken := strings.Contains(report.String(), "refused: ") || strings.Contains(report.String(), "fault: ")
			if broken != errors.Is(err, errNotImported) || err != nil && !broken {
				t.Errorf("the error is %v for the report\n%s", err, &report)
			}
			for _, want := range test.want {
				if !strings.Contains(report.String(), want) {
					t.Errorf("the report lacks %q:\n%s", want, &report)
				}
			}
		})
	}
}

// TestRunShowsABoard asks for a board, and for some that do not exist.
func TestRunShowsABoard(t *testing.T) {
	file := filepath.Join(t.TempDir(), "test.pgn")
	if err := os.WriteFile(file, []byte(header("Good", "0-1")+twoMoves), 0o600); err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	for _, test := range []struct {
		args []string
		want string // in the report
		err  string
	}{
		{[]string{"-game", "1", "-move", "2"}, "rnbqkbnr/pppp1ppp/8/4p3/8/5P2/PPPPP1PP/RNBQKBNR w KQkq e6 0 2", ""},
		{[]string{"-game", "1"}, "rnb1kbnr/pppp1ppp/8/4p3/6Pq/5P2/PPPPP2P/RNBQKBNR w KQkq - 1 3", ""},
		{[]string{"-game", "1", "-move", "5"}, "", "there is no half-move 5: the game has 4"},
		{[]string{"-game", "2"}, "0 imported, 1 already imported", "there is no game 2: the files hold 1"},
	} {
		var report bytes.Buffer
		err := run(t.Context(), append(test.args, "-dir", dir, file), &report, io.Discard)
		if !strings.Contains(report.String(), test.want) {
			t.Errorf("%q: the report lacks %q:\n%s", test.args, test.want, &report)
		}
		if test.err == "" && err != nil || test.err != "" && (err == nil || !strings.Contains(err.Error(), test.err)) {
			t.Errorf("%q: the error is %v, want %q", test.args, err, test.err)
		}
	}
}

// TestLostGameIsNoticed reads games with a splitter that loses one.
func TestLostGameIsNoticed(t *testing.T) {
	file := filepath.Join(t.TempDir(), "test.pgn")
	if err := os.WriteFile(file, []byte(header("One", "0-1")+twoMoves+header("Two", "0-1")+twoMoves), 0o600); err != nil {
		t.Fatal(err)
	}
	files, err := openFiles([]string{file})
	if err != nil {
		t.Fatal(err)
	}
	defer files.Close()
	im := &importer{
		games:    aggregates.NewRepository(startStore(t), games),
		progress: newProgress(io.Discard, 0),
		split: func(file string, r io.Reader) iter.Seq2[Text, error] {
			return func(yield func(Text, error) bool) {
				for text, err := range split(file, r) {
					if text.Number != 2 && !yield(text, err) {
						return
					}
				}
			}
		},
	}
	done, err := im.files(t.Context(), files)
	if err != nil {
		t.Fatal(err)
	}
	if !errors.Is(done.Err(), errNotImported) || len(done.Faults) != 1 || !strings.Contains(done.Faults[0], "2 Event tags, and 1 games") {
		t.Errorf("the loss was reported as %v, %q", done.Err(), done.Faults)
	}
}
