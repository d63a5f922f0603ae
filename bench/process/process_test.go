package process

import (
	"errors"
	"os"
	"os/exec"
	"strings"
	"testing"
)

const childOfTest = "STRAND_BENCH_TEST_CHILD"

// TestMain lets the test's program be the child.
func TestMain(m *testing.M) {
	switch os.Getenv(childOfTest) {
	case "":
		os.Exit(m.Run())
	case "refuse":
		_ = Refuse(os.Stdout, errors.New("not today")) // the parent notices
	default:
		_ = Serve(os.Stdin, os.Stdout, "here", map[string]Command{
			"echo": func(argument string) (string, error) { return argument, nil },
			"fail": func(argument string) (string, error) { return "", errors.New("first\nsecond") },
			"die":  func(string) (string, error) { os.Exit(1); return "", nil },
			"free": Free,
		})
	}
}

func child(t *testing.T, kind string) (*Child, error) {
	t.Helper()
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	command := exec.Command(program)
	command.Env = append(os.Environ(), childOfTest+"="+kind)
	return Start(t.Context(), command)
}

func TestChildAnswers(t *testing.T) {
	c, err := child(t, "serve")
	if err != nil {
		t.Fatal(err)
	}
	if c.Ready() != "here" {
		t.Errorf("ready: %q", c.Ready())
	}
	if answer, err := c.Ask("echo a b"); answer != "a b" || err != nil {
		t.Errorf("echo: %q, %v", answer, err)
	}
	if _, err := c.Ask("fail"); err == nil || !strings.Contains(err.Error(), "first; second") {
		t.Errorf("fail: %v", err)
	}
	if _, err := c.Ask("nonsense"); err == nil || !strings.Contains(err.Error(), "no command") {
		t.Errorf("nonsense: %v", err)
	}
	if _, err := c.Ask("free"); err != nil {
		t.Errorf("free: %v", err)
	}
	if rss, err := c.RSS(); err != nil || rss < 1<<20 {
		t.Errorf("%d bytes resident, %v", rss, err)
	}
	if rss, err := c.SettledRSS(t.Context()); err != nil || rss < 1<<20 {
		t.Errorf("%d bytes resident at rest, %v", rss, err)
	}
	if err := c.Close(t.Context()); err != nil {
		t.Error(err)
	}
	if err := c.Close(t.Context()); err != nil {
		t.Errorf("a second Close: %v", err)
	}
}

func TestChildThatIsGone(t *testing.T) {
	if _, err := child(t, "refuse"); err == nil || !strings.Contains(err.Error(), "not today") {
		t.Errorf("refused: %v", err)
	}
	c, err := child(t, "serve")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Ask("die"); err == nil || !strings.Contains(err.Error(), "has ended") {
		t.Errorf("died: %v", err)
	}
	c.Kill()
	c.Kill()
}
