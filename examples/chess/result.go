package main

import "slices"

// The results that PGN knows.
const (
	whiteWins = "1-0"
	blackWins = "0-1"
	draw      = "1/2-1/2"
	open      = "*" // unfinished, or not known
)

var results = []string{whiteWins, blackWins, draw, open}

func isResult(text string) bool { return slices.Contains(results, text) }
