package main

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
)

// TestMain puts a brokerd on the PATH of the tests: this test binary under another name.
func TestMain(m *testing.M) {
	if filepath.Base(os.Args[0]) == "brokerd" {
		os.Args[0] = "brokerd" // as a shell would have called it
		main()
	}
	code, err := withBrokerd(m.Run)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(code)
}

func withBrokerd(tests func() int) (code int, err error) {
	self, err := os.Executable()
	if err != nil {
		return 0, err
	}
	dir, err := os.MkdirTemp("", "brokerd-test-")
	if err != nil {
		return 0, err
	}
	defer os.RemoveAll(dir)
	if err := os.Symlink(self, filepath.Join(dir, "brokerd")); err != nil {
		return 0, err
	}
	if err := os.Setenv("PATH", dir+string(os.PathListSeparator)+os.Getenv("PATH")); err != nil {
		return 0, err
	}
	return tests(), nil
}
