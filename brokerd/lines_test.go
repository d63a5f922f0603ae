package main

import (
	"context"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/strandlog/strand/commitlog"
)

func TestLines(t *testing.T) {
	header := []commitlog.Header{{Key: "source", Value: []byte("test")}}
	type record struct {
		key, value string
		null       bool
	}
	tests := map[string]struct {
		lines lines
		in    string
		want  []record
		fails string // in the last line
	}{
		"values":                {in: "one\ntwo\r\n\nlast without an end", want: []record{{value: "one"}, {value: "two"}, {}, {value: "last without an end"}}},
		"nothing":               {},
		"keys":                  {lines: lines{separator: "="}, in: "a=1\n=2\nb=\nc=x=y\n", want: []record{{key: "a", value: "1"}, {value: "2"}, {key: "b"}, {key: "c", value: "x=y"}}},
		"tombstones":            {lines: lines{separator: "::", tombstones: true}, in: "a::\nb::1\n", want: []record{{key: "a", null: true}, {key: "b", value: "1"}}},
		"without the separator": {lines: lines{separator: ":"}, in: "a:1\nb\nc:2\n", want: []record{{key: "a", value: "1"}}, fails: `line 2: there is no key separator ":" in it`},
		"the largest value":     {in: strings.Repeat("x", 1<<20) + "\n", want: []record{{value: strings.Repeat("x", 1<<20)}}},
		"too long":              {in: "one\n" + strings.Repeat("x", lineBytesMax+1), want: []record{{value: "one"}}, fails: "line 2: it is longer than a record can be"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			test.lines.headers = header
			var got []record
			fails := ""
			for l := range test.lines.from(t.Context(), strings.NewReader(test.in)) {
				if l.err != nil {
					fails = "line " + string(rune('0'+l.number)) + ": " + l.err.Error()
					continue
				}
				if (l.message.Key == nil) != (len(l.message.Key) == 0) || len(l.message.Headers) != 1 {
					t.Errorf("line %d: %+v", l.number, l.message)
				}
				got = append(got, record{string(l.message.Key), string(l.message.Value), l.message.Value == nil})
			}
			if diff := cmp.Diff(test.want, got, cmp.AllowUnexported(record{})); diff != "" {
				t.Errorf("records differ (-want +got):\n%s", diff)
			}
			if !strings.HasPrefix(fails, test.fails) || test.fails == "" && fails != "" {
				t.Errorf("it fails with %q, want %q", fails, test.fails)
			}
		})
	}
}

// TestLinesEndWithTheCommand: whoever reads no more leaves no goroutine behind that waits to hand over a line.
func TestLinesEndWithTheCommand(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	in, more := io.Pipe()
	ended := make(chan error, 1)
	go func() {
		var err error
		for err == nil {
			_, err = io.WriteString(more, "a line\n")
		}
		ended <- err
	}()
	out := lines{}.from(ctx, in)
	<-out
	cancel()
	for range out {
	}
	in.CloseWithError(errBroken)
	if err := <-ended; !errors.Is(err, errBroken) {
		t.Error(err)
	}
}

func TestParseHeaders(t *testing.T) {
	got, err := parseHeaders([]string{"source: shell", "at:12:30", "empty:"})
	want := []commitlog.Header{{Key: "source", Value: []byte("shell")}, {Key: "at", Value: []byte("12:30")}, {Key: "empty", Value: []byte{}}}
	if diff := cmp.Diff(want, got); diff != "" || err != nil {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
	for _, bad := range []string{"", "source", ": shell"} {
		if _, err := parseHeaders([]string{bad}); err == nil {
			t.Errorf("%q is taken", bad)
		}
	}
}
