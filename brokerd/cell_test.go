package main

import (
	"strings"
	"testing"
	"time"
)

func TestCell(t *testing.T) {
	for b, want := range map[string]string{
		"":                            "",
		"plain text":                  "plain text",
		"Grüße ✓":                     "Grüße ✓",
		"two\nlines\tand\r":           `two\nlines\tand\r`,
		"\x1b[31mred\x1b[0m\a":        `\x1b[31mred\x1b[0m\a`,
		"\xff\x00end":                 `\xff\x00end`,
		"no\u200bspace\u2028 \u00a0|": `no\u200bspace\u2028 \u00a0|`,
		"right \u202e to left":        `right \u202e to left`,
		strings.Repeat("ä", cellMax):  strings.Repeat("ä", cellMax),
		strings.Repeat("ä", 1<<20):    strings.Repeat("ä", cellMax) + "…",
	} {
		if got := cell([]byte(b)); got != want {
			t.Errorf("cell(%.20q) = %s, want %s", b, got, want)
		}
	}
	if got := cell(nil); got != "-" {
		t.Errorf("cell(nil) = %s", got)
	}
}

func TestAge(t *testing.T) {
	for text, want := range map[string]time.Duration{
		"0": 0, "90s": 90 * time.Second, "30m": 30 * time.Minute, "36h": 36 * time.Hour, "7d": 7 * day, "1d12h": 36 * time.Hour, "0d": 0, "65535d": 65535 * day, "1d0": day,
	} {
		if got, err := parseAge(text); err != nil || got != want {
			t.Errorf("parseAge(%q) = %v, %v, want %v", text, got, err, want)
		}
	}
	for _, text := range []string{"", "d", "7", "-7d", "7d-1h", "-1h", "1.5d", "65536d", "1h2d", "7 days", "2562047h", "65535d2562047h"} {
		if got, err := parseAge(text); err == nil {
			t.Errorf("parseAge(%q) = %v, want an error", text, got)
		}
	}
	for d, want := range map[time.Duration]string{
		0: "0s", 1500 * time.Millisecond: "1.5s", 90 * time.Minute: "90m", 36 * time.Hour: "36h", 14 * day: "14d", time.Hour + time.Second: "1h0m1s",
	} {
		got := shownAge(d)
		if back, err := parseAge(got); got != want || err != nil || back != d {
			t.Errorf("%v is shown as %s, which is read as %v, %v", d, got, back, err)
		}
	}
}

func TestShownSize(t *testing.T) {
	for n, want := range map[int64]string{0: "0B", 1023: "1023B", 1024: "1KiB", 1536 << 20: "1536MiB", 20 << 30: "20GiB", 1 << 50: "1024TiB", 1000: "1000B"} {
		if got := shownSize(n); got != want {
			t.Errorf("shownSize(%d) = %s, want %s", n, got, want)
		}
	}
}
