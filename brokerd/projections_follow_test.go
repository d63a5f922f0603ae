package main

import (
	"testing"
	"time"
)

func TestProgressText(t *testing.T) {
	for want, got := range map[string]string{
		"0 of 10 records":                      progressText(0, 10, time.Second),
		"5 of 10 records, about 1.0s left":     progressText(5, 10, time.Second),
		"250 of 1000 records, about 3m0s left": progressText(250, 1000, time.Minute),
		"10 of 10 records":                     progressText(10, 10, time.Second),
	} {
		if got != want {
			t.Errorf("it says %q, want %q", got, want)
		}
	}
}
