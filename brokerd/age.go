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
