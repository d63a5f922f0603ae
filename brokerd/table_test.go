package main

import (
	"errors"
	"fmt"
	"strings"
	"testing"
)

func TestTable(t *testing.T) {
	var out strings.Builder
	rows := newTable(&out, left("NAME"), right("RECORDS"), left("STATE"))
	rows.row("clicks", 12, "")
	rows.row("é", 1204, "serving")
	if out.Len() > 0 {
		t.Errorf("it wrote before it was flushed: %q", &out)
	}
	if err := rows.flush(); err != nil {
		t.Fatal(err)
	}
	rows.row("later", 7, "serving")
	rows.row("a much longer name", 8, "x")
	if err := rows.flush(); err != nil {
		t.Fatal(err)
	}
	const want = `NAME    RECORDS  STATE
clicks       12
é          1204  serving
later         7  serving
a much longer name        8  x
`
	if out.String() != want {
		t.Errorf("got\n%s\nwant\n%s", &out, want)
	}
}

// TestTableHoldsLittleBack: it neither keeps all rows of a long answer nor forgets an error.
func TestTableHoldsLittleBack(t *testing.T) {
	var out strings.Builder
	rows := newTable(&out, left("N"))
	for i := range 10 * heldMax {
		if rows.row(i); len(rows.held) > heldMax {
			t.Fatalf("%d rows are held back", len(rows.held))
		}
	}
	if n := strings.Count(out.String(), "\n"); n != 10*heldMax+1 {
		t.Errorf("%d lines", n)
	}
	broken := newTable(brokenWriter{}, left("N"))
	broken.row(1)
	if err := broken.flush(); !errors.Is(err, errBroken) {
		t.Errorf("flush: %v", err)
	}
	broken.row(fmt.Sprint(2))
	if err := broken.flush(); !errors.Is(err, errBroken) {
		t.Errorf("flush again: %v", err)
	}
}

var errBroken = errors.New("broken by the test")

type brokenWriter struct{}

func (brokenWriter) Write([]byte) (int, error) { return 0, errBroken }
