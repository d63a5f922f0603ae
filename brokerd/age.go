package main

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// day is the unit beyond hours.
const day = 24 * time.Hour

// shownAge shows a duration, in one unit where that is exact.
func shownAge(d time.Duration) string {
	for _, unit := range [...]struct {
		of   time.Duration
		name string
	}{{day, "d"}, {time.Hour, "h"}, {time.Minute, "m"}} {
		if d >= unit.of && d%unit.of == 0 {
			return strconv.FormatInt(int64(d/unit.of), 10) + unit.name
		}
	}
	return d.String()
}

// shownSpan shows a time that has passed in its two largest units; to a tenth below ten seconds.
func shownSpan(d time.Duration) string {
	switch d = max(d, 0); {
	case d < 10*time.Second:
		return strconv.FormatFloat(d.Truncate(100*time.Millisecond).Seconds(), 'f', 1, 64) + "s"
	case d < time.Minute:
		return fmt.Sprintf("%ds", d/time.Second)
	case d < time.Hour:
		return fmt.Sprintf("%dm%ds", d/time.Minute, d%time.Minute/time.Second)
	case d < day:
		return fmt.Sprintf("%dh%dm", d/time.Hour, d%time.Hour/time.Minute)
	}
	return fmt.Sprintf("%dd%dh", d/day, d%day/time.Hour)
}

// parseAge reads a duration, with days if need be: 90m, 36h, 7d, 1d12h.
func parseAge(text string) (time.Duration, error) {
	days, rest, found := strings.Cut(text, "d")
	if !found {
		days, rest = "0", text
	}
	n, err := strconv.ParseUint(days, 10, 16) // and so the sum is one that a Duration holds
	var d time.Duration
	if err == nil && (rest != "" || !found) {
		d, err = time.ParseDuration(rest)
	}
	if err != nil || d < 0 || d > 1<<61 {
		return 0, fmt.Errorf("%q is no duration: write 90s, 30m, 36h, 7d or 1d12h", text)
	}
	return time.Duration(n)*day + d, nil
}
