package main

import "fmt"

// target is a bound on Strand's figure: as a multiple of another one, or absolute when system is empty.
type target struct {
	bench  string // of the other figure; the same bench, if empty
	system string
	limit  float64
	atMost bool
}

// verdict says whether the target is met; ok is false when the figure to compare with is missing.
func (t target) verdict(bench string, figures figures) (text string, ok bool) {
	own, found := figures.find(bench, ours)
	if !found {
		return "", false
	}
	value, of := own.Value, ""
	if t.system != "" {
		against := bench
		if t.bench != "" {
			against = t.bench
		}
		other, found := figures.find(against, t.system)
		if !found || other.Value == 0 {
			return "", false
		}
		value /= other.Value
		of = "x " + t.system
		if t.bench != "" {
			of += " " + t.bench
		}
	}
	sign, met := ">=", value >= t.limit
	if t.atMost {
		sign, met = "<=", value <= t.limit
	}
	word := "met"
	if !met {
		word = "MISSED"
	}
	return fmt.Sprintf("%s: %.3g of %s %.3g%s", word, value, sign, t.limit, of), true
}
