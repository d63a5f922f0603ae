package process

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
)

// Child is a process that answers questions. It belongs to one goroutine.
type Child struct {
	command *exec.Cmd
	input   io.WriteCloser
	output  *bufio.Reader
	ready   string
	ended   bool
}

// Start starts a child and waits until it is ready. What it writes to its standard error goes to ours.
func Start(ctx context.Context, command *exec.Cmd) (*Child, error) {
	input, err := command.StdinPipe()
	if err != nil {
		return nil, err
	}
	output, err := command.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if command.Stderr == nil {
		command.Stderr = os.Stderr
	}
	if err := command.Start(); err != nil {
		return nil, err
	}
	c := &Child{command: command, input: input, output: bufio.NewReaderSize(output, 1<<16)}
	if c.ready, err = c.answer(); err != nil {
		return nil, errors.Join(fmt.Errorf("waiting until %s is ready: %w", command.Path, err), c.Close(ctx))
	}
	return c, nil
}

// Ready is what the child said when it was ready: for a server, where it is reached.
func (c *Child) Ready() string { return c.ready }

// Ask asks a question and waits for its answer. An answer that is an error comes as one.
func (c *Child) Ask(question string) (string, error) {
	if _, err := io.WriteString(c.input, question+"\n"); err != nil {
		return "", fmt.Errorf("asking %q: %w", question, err)
	}
	answer, err := c.answer()
	if err != nil {
		return "", fmt.Errorf("asking %q: %w", question, err)
	}
	return answer, nil
}

func (c *Child) answer() (string, error) {
	line, err := c.output.ReadString('\n')
	switch {
	case errors.Is(err, io.EOF):
		return "", errors.New("the process has ended")
	case err != nil:
		return "", err
	}
	verdict, rest, _ := strings.Cut(strings.TrimSuffix(line, "\n"), " ")
	if verdict != "ok" {
		return "", errors.New(rest)
	}
	return rest, nil
}

// RSS is the memory that the child has resident, in bytes.
func (c *Child) RSS() (int64, error) { return residentBytes(c.command.Process.Pid) }

// Interrupt kills the child, so that a question that waits for its answer fails. Unlike the other methods it may be called at any time.
func (c *Child) Interrupt() { _ = c.command.Process.Kill() }

// Kill kills the child where it stands, and waits until it is gone.
func (c *Child) Kill() {
	if !c.ended {
		c.ended = true
		_ = c.command.Process.Kill() // it may have ended by itself
		_ = c.command.Wait()         // "killed" is what we wanted
	}
}

// Close asks the child to end, and waits for it. When ctx ends it is killed.
func (c *Child) Close(ctx context.Context) error {
	if c.ended {
		return nil
	}
	c.ended = true
	stop := context.AfterFunc(ctx, func() { _ = c.command.Process.Kill() })
	defer stop()
	_ = c.input.Close()                      // gone already, if the child is
	_, _ = io.Copy(io.Discard, c.output)     // so that it is not stuck in an answer
	if err := c.command.Wait(); err != nil { // only now: Wait closes the pipes
		return fmt.Errorf("ending %s: %w", c.command.Path, err)
	}
	return nil
}
