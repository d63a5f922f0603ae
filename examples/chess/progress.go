package main

import (
	"fmt"
	"io"
	"os"
	"sync"

	"github.com/schollz/progressbar/v3"
)

// progress is told of every game that is done. It is safe for concurrent use.
type progress interface {
	Add(bytes int)
	Close()
}

// newProgress shows a bar on a terminal, and plain lines elsewhere. A total of 0 is not known.
func newProgress(w io.Writer, total int64) progress {
	if file, ok := w.(*os.File); ok && total > 0 {
		if info, err := file.Stat(); err == nil && info.Mode()&os.ModeCharDevice != 0 {
			return &bar{bar: progressbar.NewOptions64(total, progressbar.OptionSetWriter(w), progressbar.OptionSetDescription("importing"),
				progressbar.OptionShowBytes(true), progressbar.OptionSetPredictTime(true), progressbar.OptionClearOnFinish())}
		}
	}
	return &lines{w: w, total: total}
}

// bar draws itself over and over in one line.
type bar struct {
	bar *progressbar.ProgressBar
}

// Add and Close leave out what the terminal answers: the import does not depend on it.
func (b *bar) Add(bytes int) { _ = b.bar.Add(bytes) }

func (b *bar) Close() { _ = b.bar.Finish() }

// gamesPerLine is how often plain progress is reported.
const gamesPerLine = 100

// lines writes a line now and then.
type lines struct {
	total int64

	mu    sync.Mutex // guards what follows
	w     io.Writer
	games int
	bytes int64
}

func (l *lines) Add(bytes int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.games++
	l.bytes += int64(bytes)
	if l.games%gamesPerLine != 0 {
		return
	}
	if l.total > 0 {
		_, _ = fmt.Fprintf(l.w, "importing: %d games, %d %%\n", l.games, 100*l.bytes/l.total) // progress is no result
	} else {
		_, _ = fmt.Fprintf(l.w, "importing: %d games\n", l.games)
	}
}

func (l *lines) Close() {}
