package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/strandlog/strand/commitlog"
)

// lines makes records of lines.
type lines struct {
	separator  string // between key and value; empty: there are no keys
	tombstones bool   // an empty value is none
	headers    []commitlog.Header
	partition  *int32
}

// line is a record, or why there are no more.
type line struct {
	number  int
	message commitlog.Message
	err     error
}

// lineBytesMax admits the largest key and value.
const lineBytesMax = 1<<20 + 4<<10

// linesAhead is how many lines are read ahead of what is sent.
const linesAhead = 64

// from reads lines in a goroutine of its own, because a read cannot be interrupted.
func (l lines) from(ctx context.Context, in io.Reader) <-chan line {
	out := make(chan line, linesAhead)
	go func() {
		defer close(out)
		text := bufio.NewScanner(in)
		text.Buffer(nil, lineBytesMax)
		number := 0
		hand := func(m commitlog.Message, err error) bool {
			select {
			case out <- line{number: number, message: m, err: err}:
				return err == nil
			case <-ctx.Done():
				return false
			}
		}
		for text.Scan() {
			number++
			if !hand(l.record(bytes.Clone(text.Bytes()))) {
				return
			}
		}
		number++
		switch err := text.Err(); {
		case errors.Is(err, bufio.ErrTooLong):
			hand(commitlog.Message{}, fmt.Errorf("it is longer than a record can be, %d bytes", lineBytesMax))
		case err != nil:
			hand(commitlog.Message{}, fmt.Errorf("reading it: %w", err))
		}
	}()
	return out
}

// record makes a record of a line, of which it keeps parts.
func (l lines) record(text []byte) (commitlog.Message, error) {
	m := commitlog.Message{Value: text, Headers: l.headers, Partition: l.partition}
	if l.separator != "" {
		key, value, found := bytes.Cut(text, []byte(l.separator))
		if !found {
			return m, fmt.Errorf("there is no key separator %q in it", l.separator)
		}
		if m.Value = value; len(key) > 0 {
			m.Key = key
		}
	}
	if len(m.Value) == 0 {
		m.Value = []byte{}
		if l.tombstones {
			m.Value = nil
		}
	}
	return m, nil
}

// parseHeaders reads headers as they are given to curl.
func parseHeaders(texts []string) (headers []commitlog.Header, err error) {
	for _, text := range texts {
		name, value, found := strings.Cut(text, ":")
		if name = strings.TrimSpace(name); !found || name == "" {
			return nil, misused("-H %q: write 'name: value'", text)
		}
		headers = append(headers, commitlog.Header{Key: name, Value: []byte(strings.TrimSpace(value))})
	}
	return headers, nil
}
