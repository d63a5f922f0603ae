package main

import (
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"

	"github.com/strandlog/strand/bench/workload"
)

// ours is the name under which Strand is measured.
const ours = "strand"

// row is a benchmark. To add one, write its file and name it in allRows; a peer that knows it has a prober of the same name.
type row struct {
	name    string
	what    string
	group   string   // rows of one group are measured in alternation; the name, if empty
	peers   []string // that do the same work
	columns []column
	slow    bool // three runs are enough
	probe   func(*strand) workload.Prober
}

// column is one figure of a row. Most rows have one, without a suffix.
type column struct {
	suffix  string
	unit    string
	less    bool // is better
	targets []target
}

func allRows() []row {
	return slices.Concat(
		appendRows(),
		replicatedRows(),
		produceRows(),
		clientsRows(),
		fanoutRows(),
		handleRows(),
		replayRows(),
		loadRows(),
		restartRows(),
		memoryRows(),
		projectRows(),
	)
}

func (r row) bench(c column) string { return r.name + c.suffix }

// choose keeps the rows of which a column matches. A row is measured as a whole.
func choose(rows []row, pattern *regexp.Regexp) []row {
	var chosen []row
	for _, r := range rows {
		if slices.ContainsFunc(r.columns, func(c column) bool { return pattern.MatchString(r.bench(c)) }) {
			chosen = append(chosen, r)
		}
	}
	return chosen
}

func writeList(w io.Writer, rows []row) error {
	var list strings.Builder
	for _, r := range rows {
		for _, c := range r.columns {
			fmt.Fprintf(&list, "%s\t%s\t%s\n", r.bench(c), c.unit, r.what)
		}
	}
	_, err := io.WriteString(w, aligned(list.String()))
	return err
}
