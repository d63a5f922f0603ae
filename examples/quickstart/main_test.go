package main

import (
	"bufio"
	"os"
	"os/exec"
	"strings"
	"testing"
)

// TestRun runs the example as a user does and compares what it prints.
func TestRun(t *testing.T) {
	out, err := exec.CommandContext(t.Context(), "go", "run", ".").Output()
	if err != nil {
		t.Fatal(err)
	}
	const want = `alice has 70 at version 2, after 2 bookings
replay: events/4@0 account.booked account-alice {Amount:100}
replay: events/4@1 account.booked account-alice {Amount:-30}
`
	if string(out) != want {
		t.Errorf("it printed\n%s\nwant\n%s", out, want)
	}
}

// TestLines keeps the example to 45 lines, without blank lines, comments and the import block.
func TestLines(t *testing.T) {
	f, err := os.Open("main.go")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	lines, imports := 0, false
	for in := bufio.NewScanner(f); in.Scan(); {
		line := strings.TrimSpace(in.Text())
		switch {
		case line == "import (":
			imports = true
		case imports:
			imports = line != ")"
		case line != "" && !strings.HasPrefix(line, "//"):
			lines++
		}
	}
	if lines == 0 || lines > 45 {
		t.Errorf("the example has %d lines", lines)
	}
}
