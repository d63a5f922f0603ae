package config

import (
	"errors"
	"fmt"
)

// ErrInvalid is what an [Error] is.
var ErrInvalid = errors.New("invalid configuration")

// Error is one thing that is wrong with a configuration file. It is an ErrInvalid.
type Error struct {
	File       string
	Line       int    // counts from 1; 0: the file as a whole
	Key        string // with dots, as in log.level; may be empty
	Reason     string // and the way out
	Suggestion string // the key or value that was probably meant; may be empty
}

func (e *Error) Error() string {
	text := e.File
	if e.Line > 0 {
		text = fmt.Sprintf("%s:%d", text, e.Line)
	}
	if e.Key != "" {
		text += ": " + e.Key
	}
	text += ": " + e.Reason
	if e.Suggestion != "" {
		text += fmt.Sprintf(": did you mean %q?", e.Suggestion)
	}
	return text
}

// Is makes errors.Is(err, ErrInvalid) true.
func (e *Error) Is(target error) bool { return target == ErrInvalid }
