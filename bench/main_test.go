package main

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/strandlog/strand/bench/workload"
)

// TestMain lets the test's program be a broker, as the benchmark's is.
func TestMain(m *testing.M) {
	if served, err := serveBroker(); served {
		exitOn(err)
		return
	}
	os.Exit(m.Run())
}

// TestEveryRow runs every row on Strand, with next to no data and time.
func TestEveryRow(t *testing.T) {
	at := places{data: t.TempDir(), json: filepath.Join(t.TempDir(), "figures.json")}
	p := plan{
		rows: allRows(), systems: regexp.MustCompile("^strand$"), rounds: 1, share: 10 * time.Millisecond,
		scale: workload.Scale{Streams: 1000, Events: 3000, RestartEvents: 2000, RestartStreams: 1000, MemoryFrom: 1000, MemoryTo: 2000, Clients: 20, FanoutBytes: 1 << 20},
	}
	var table, progress bytes.Buffer
	if err := measureInto(t.Context(), p, at, &table, &progress); err != nil {
		t.Fatalf("%v\n%s", err, &progress)
	}
	lines, err := os.ReadFile(at.json)
	if err != nil {
		t.Fatal(err)
	}
	measured := map[string]bool{}
	for line := range strings.Lines(string(lines)) {
		var f figure
		if err := json.Unmarshal([]byte(line), &f); err != nil {
			t.Fatalf("%q: %v", line, err)
		}
		measured[f.Bench] = f.System == ours && len(f.Runs) == 1 && f.Note != ""
	}
	for _, r := range allRows() {
		for _, c := range r.columns {
			if !measured[r.bench(c)] {
				t.Errorf("%s has no figure in %q", r.bench(c), lines)
			}
			if !strings.Contains(table.String(), "\n"+r.bench(c)+"  ") {
				t.Errorf("%s is not in the table", r.bench(c))
			}
		}
	}
	if left, err := os.ReadDir(at.data); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

func TestCommandLine(t *testing.T) {
	for _, of := range []struct {
		args []string
		want string // in the output, or in the error
	}{
		{[]string{"-list"}, "restart/10M/rss"},
		{[]string{"-list", "-run", "load"}, "load/1000"},
		{[]string{"-run", "nothing"}, `no benchmark matches "nothing"`},
		{[]string{"-run", "("}, "-run"},
		{[]string{"-systems", "("}, "-systems"},
	} {
		var out bytes.Buffer
		err := run(context.Background(), of.args, &out, &out)
		if err != nil {
			out.WriteString(err.Error())
		}
		if !strings.Contains(out.String(), of.want) {
			t.Errorf("%q: %q lacks %q", of.args, &out, of.want)
		}
	}
}
