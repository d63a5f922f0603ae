package config

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
)

var errSize = errors.New("write a whole number of bytes, with a unit if you like: 1048576, 512MiB, 20GiB, 1TiB (or 500MB, 20GB, 1TB)")

// ParseSize reads a number of bytes: 1048576, 512MiB, 20GB.
func ParseSize(text string) (int64, error) {
	digits := strings.TrimRight(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz ")
	unit, err := unitBytes(strings.TrimSpace(text[len(digits):]))
	if err != nil {
		return 0, err
	}
	n, err := strconv.ParseUint(digits, 10, 63)
	switch {
	case errors.Is(err, strconv.ErrRange) || err == nil && n > uint64(math.MaxInt64/unit):
		return 0, fmt.Errorf("%s is more than a disk can hold: %w", text, errSize)
	case err != nil:
		return 0, errSize
	}
	return int64(n) * unit, nil
}

func unitBytes(unit string) (int64, error) {
	switch unit {
	case "", "B":
		return 1, nil
	case "KiB":
		return 1 << 10, nil
	case "MiB":
		return 1 << 20, nil
	case "GiB":
		return 1 << 30, nil
	case "TiB":
		return 1 << 40, nil
	case "kB", "KB":
		return 1e3, nil
	case "MB":
		return 1e6, nil
	case "GB":
		return 1e9, nil
	case "TB":
		return 1e12, nil
	}
	return 0, fmt.Errorf("unknown unit %q: %w", unit, errSize)
}
