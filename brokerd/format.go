package main

import (
	"encoding/json"
	"io"
	"unicode/utf8"

	"github.com/spf13/cobra"
)

// The formats of answers.
const (
	formatTable = "table"
	formatJSON  = "json" // one object a line
	formatRaw   = "raw"
)

// format is the flag that says how an answer is written.
type format struct{ choice }

// addTo gives a command the flag.
func (f *format) addTo(cmd *cobra.Command, more ...string) {
	f.choice.addTo(cmd, "output", "o", "how the answer is written; json is one object a line", append([]string{formatTable, formatJSON}, more...)...)
}

func (f *format) json() bool { return f.value == formatJSON }

// writeJSON writes an object as one line.
func writeJSON(w io.Writer, v any) error {
	out := json.NewEncoder(w)
	out.SetEscapeHTML(false)
	return out.Encode(v)
}

// jsonText is bytes in JSON: as text where they are UTF-8, else in base64 in a field of its own. Exactly one of the two fields has something, unless there
// are no bytes at all.
func jsonText(b []byte) (plain *string, base64 []byte) {
	switch {
	case b == nil:
		return nil, nil
	case utf8.Valid(b):
		return new(string(b)), nil
	}
	return nil, b
}
