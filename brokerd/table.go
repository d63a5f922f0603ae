package main

import (
	"fmt"
	"io"
	"strings"
	"unicode/utf8"
)

// table writes rows in columns. It learns how wide they are from its first rows, which it holds back until it is flushed or has many, and widens them for
// what comes later; so it can go on for as long as rows come.
type table struct {
	w       io.Writer
	columns []column
	widths  []int
	held    [][]string
	wrote   bool
	err     error
}

// column is a title, and whether what is below it are numbers.
type column struct {
	title string
	right bool
}

func left(title string) column  { return column{title: title} }
func right(title string) column { return column{title: title, right: true} }

// heldMax is how many rows are held back.
const heldMax = 256

func newTable(w io.Writer, columns ...column) *table {
	t := &table{w: w, columns: columns, widths: make([]int, len(columns))}
	titles := make([]string, len(columns))
	for i, c := range columns {
		titles[i] = c.title
	}
	t.hold(titles)
	return t
}

// row writes a row, sooner or later: flush has the errors.
func (t *table) row(cells ...any) {
	texts := make([]string, len(cells))
	for i, c := range cells {
		texts[i] = fmt.Sprint(c)
	}
	if t.wrote {
		t.write(texts)
		return
	}
	if t.hold(texts); len(t.held) >= heldMax {
		_ = t.flush() // which keeps its error
	}
}

func (t *table) hold(texts []string) {
	t.widen(texts)
	t.held = append(t.held, texts)
}

func (t *table) widen(texts []string) {
	for i, text := range texts {
		t.widths[i] = max(t.widths[i], utf8.RuneCountInString(text))
	}
}

// flush writes what was held back.
func (t *table) flush() error {
	for _, texts := range t.held {
		t.write(texts)
	}
	t.held, t.wrote = nil, true
	return t.err
}

func (t *table) write(texts []string) {
	if t.err != nil {
		return
	}
	t.widen(texts)
	var line strings.Builder
	for i, text := range texts {
		pad := strings.Repeat(" ", max(t.widths[i]-utf8.RuneCountInString(text), 0))
		if t.columns[i].right {
			text = pad + text
		} else {
			text += pad
		}
		if i > 0 {
			line.WriteString("  ")
		}
		line.WriteString(text)
	}
	_, t.err = io.WriteString(t.w, strings.TrimRight(line.String(), " ")+"\n")
}
