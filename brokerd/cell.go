package main

import (
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// cellMax is how much of a key or a value a table shows.
const cellMax = 120

// cell shows bytes of anybody's in one line of a terminal: control characters and what is no text are escaped, and what is long is cut.
func cell(b []byte) string {
	if b == nil {
		return "-"
	}
	var out strings.Builder
	for shown := 0; len(b) > 0; shown++ {
		if shown == cellMax {
			out.WriteString("…")
			break
		}
		r, n := utf8.DecodeRune(b)
		switch {
		case r == utf8.RuneError && n == 1:
			fmt.Fprintf(&out, `\x%02x`, b[0])
		case r == ' ' || unicode.IsGraphic(r) && !unicode.IsSpace(r):
			out.WriteRune(r)
		default:
			quoted := strconv.QuoteRuneToASCII(r)
			out.WriteString(quoted[1 : len(quoted)-1])
		}
		b = b[n:]
	}
	return out.String()
}

// shownTime is how times are shown: to the millisecond, which is how they are stored, in UTC.
func shownTime(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000Z") }

// shownSize shows a number of bytes in the largest unit that is exact.
func shownSize(n int64) string {
	units := [...]string{"B", "KiB", "MiB", "GiB", "TiB"}
	unit := 0
	for n >= 1024 && n%1024 == 0 && unit < len(units)-1 {
		n /= 1024
		unit++
	}
	return strconv.FormatInt(n, 10) + units[unit]
}
