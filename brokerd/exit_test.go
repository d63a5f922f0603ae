package main

import (
	"fmt"
	"os"
	"strings"
	"syscall"
	"testing"

	"github.com/strandlog/strand/brokerd/broker"
)

func TestExitCodes(t *testing.T) {
	for _, test := range []struct {
		err   error
		began bool
		want  int
	}{
		{errBroken, true, exitError},
		{errBroken, false, exitUsage}, // of cobra
		{misused("no"), true, exitUsage},
		{fmt.Errorf("verifying: %w", errDamage), true, exitDamage},
		{fmt.Errorf("restoring: %w", broker.ErrBackupDamaged), true, exitDamage},
		{&broker.GaveUpError{Cause: errBroken}, true, exitGaveUp},
		{fmt.Errorf("reading: %w", failed(exitNotFound, nil, "no")), true, exitNotFound},
		{&abandonedError{signal: syscall.SIGTERM}, true, 143},
		{&abandonedError{}, true, exitError},
	} {
		if got := exitCode(test.err, test.began); got != test.want {
			t.Errorf("%v (begun: %t): %d, want %d", test.err, test.began, got, test.want)
		}
	}
}

// TestExitCodesAreDocumented compares what help says with the manual.
func TestExitCodesAreDocumented(t *testing.T) {
	manual, err := os.ReadFile("../docs/operating/cli.md")
	if err != nil {
		t.Fatal(err)
	}
	for code, meaning := range exitMeanings {
		if row := fmt.Sprintf("| %d | %s |\n", code, meaning); !strings.Contains(string(manual), row) {
			t.Errorf("docs/operating/cli.md lacks the row %s", row)
		}
	}
}
