package main

import (
	"errors"
	"fmt"
	"strings"
	"syscall"

	"github.com/strandlog/strand/brokerd/broker"
)

// Exit codes. A command that a second signal stopped exits with 128 and the signal's number.
const (
	exitOK          = 0
	exitError       = 1
	exitUsage       = 2
	exitDamage      = 3
	exitGaveUp      = 4
	exitUnavailable = 5
	exitNotFound    = 6
	exitRefused     = 7
	exitUnwell      = 8
	exitPending     = 9
)

// exitMeanings is what help says of the codes, in their order.
var exitMeanings = [...]string{
	exitOK:          "done, or stopped by Ctrl-C",
	exitError:       "it could not do its work; the message says why",
	exitUsage:       "the command line or the configuration file is wrong: trying again cannot help",
	exitDamage:      "damage was found",
	exitGaveUp:      "the node's disk fails: trying again at once will not help",
	exitUnavailable: "no node, or no database, answers: trying again later may help",
	exitNotFound:    "the topic, group, stream, position, projection or database does not exist",
	exitRefused:     "what is there does not permit it: a topic of that name or of another kind, a group with members, a role without the right to it, or nobody confirmed",
	exitUnwell:      "brokerd doctor found something; the answer says what, and what to do",
	exitPending:     "migrations are pending: brokerd migrate up does them",
}

// exitHelp describes exit codes.
func exitHelp(codes ...int) string {
	var b strings.Builder
	b.WriteString("Exit codes:")
	for _, code := range codes {
		fmt.Fprintf(&b, "\n  %d  %s", code, exitMeanings[code])
	}
	return b.String()
}

// toldError is an error in the words of the command line, with the exit code that goes with it.
type toldError struct {
	code  int
	text  string
	cause error // nil: there is no more to know
}

func (f *toldError) Error() string { return f.text }
func (f *toldError) Unwrap() error { return f.cause }

// failed makes one.
func failed(code int, cause error, format string, args ...any) error {
	return &toldError{code: code, text: fmt.Sprintf(format, args...), cause: cause}
}

// usageError is what the user has to correct before trying again.
type usageError struct{ err error }

func (e *usageError) Error() string { return e.err.Error() }
func (e *usageError) Unwrap() error { return e.err }

// misused makes one.
func misused(format string, args ...any) error { return &usageError{fmt.Errorf(format, args...)} }

// exitCode is what a command that ended with an error exits with.
func exitCode(err error, began bool) int {
	abandoned, usage, told := new(abandonedError), new(usageError), new(toldError)
	switch {
	case errors.As(err, &abandoned):
		if s, ok := abandoned.signal.(syscall.Signal); ok {
			return 128 + int(s)
		}
	case !began || errors.As(err, &usage):
		return exitUsage
	case errors.As(err, &told):
		return told.code
	case errors.Is(err, errDamage), errors.Is(err, broker.ErrBackupDamaged):
		return exitDamage
	case errors.Is(err, broker.ErrGaveUp):
		return exitGaveUp
	}
	return exitError
}
