package engine

import (
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
)

// logger passes the embedded server's log on and remembers why it gave up: the server reports that by no other way.
type logger struct {
	to     *slog.Logger
	failed func(error) // is told when the server could not write a stream

	mu  sync.Mutex
	err error
}

func newLogger(to *slog.Logger) *logger {
	if to == nil {
		to = slog.New(slog.DiscardHandler)
	}
	return &logger{to: to}
}

// fatal is the first error that made the server give up, if any.
func (l *logger) fatal() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.err
}

func (l *logger) Fatalf(format string, args ...any) {
	err := cause(format, args)
	l.to.Error(err.Error())
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.err == nil {
		l.err = err
	}
}

// cause keeps an error among the arguments reachable for errors.Is.
func cause(format string, args []any) error {
	text := fmt.Sprintf(format, args...)
	for _, a := range args {
		if err, ok := a.(error); ok {
			return &fatalError{text: text, err: err}
		}
	}
	return errors.New(text)
}

type fatalError struct {
	text string
	err  error
}

func (e *fatalError) Error() string { return e.text }
func (e *fatalError) Unwrap() error { return e.err }

// Errorf is also how the server tells first that a stream could not be written: it answers nothing more there, and says so to nobody else.
func (l *logger) Errorf(format string, args ...any) {
	err := cause(format, args)
	l.to.Error(err.Error())
	if l.failed != nil && writeFailure(format) {
		l.failed(err)
	}
}

func (l *logger) Warnf(format string, args ...any) {
	if strings.HasPrefix(format, "Plaintext passwords") {
		return // they are random, and leave this process by no way
	}
	l.to.Warn(fmt.Sprintf(format, args...))
}

// The server's notices tell of its own start and stop: detail to a node that reports its own.
func (l *logger) Noticef(format string, args ...any) { l.to.Debug(fmt.Sprintf(format, args...)) }
func (l *logger) Debugf(format string, args ...any)  { l.to.Debug(fmt.Sprintf(format, args...)) }
func (l *logger) Tracef(format string, args ...any)  { l.to.Debug(fmt.Sprintf(format, args...)) }
