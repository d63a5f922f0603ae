package process

import (
	"bufio"
	"fmt"
	"io"
	"runtime/debug"
	"strings"
)

// Command answers a question: its first word named the command, the rest is the argument.
type Command func(argument string) (string, error)

// Serve says that it is ready, then answers one line after the other until the input ends.
func Serve(input io.Reader, output io.Writer, ready string, commands map[string]Command) error {
	if err := say(output, ready, nil); err != nil {
		return err
	}
	lines := bufio.NewScanner(input)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		name, argument, _ := strings.Cut(lines.Text(), " ")
		command, ok := commands[name]
		if !ok {
			command = func(string) (string, error) { return "", fmt.Errorf("%q is no command", name) }
		}
		answer, err := command(argument)
		if err := say(output, answer, err); err != nil {
			return err
		}
	}
	return lines.Err()
}

// Refuse says instead of being ready why that cannot be.
func Refuse(output io.Writer, why error) error { return say(output, "", why) }

func say(output io.Writer, answer string, failed error) error {
	line := "ok " + answer
	if failed != nil {
		line = "error " + failed.Error()
	}
	_, err := io.WriteString(output, strings.ReplaceAll(line, "\n", "; ")+"\n")
	return err
}

// Free is a command that gives unused memory back to the system, so that resident memory is what the process needs.
func Free(string) (string, error) {
	debug.FreeOSMemory()
	return "", nil
}
