package main

import (
	"encoding/json"
	"errors"
	"os"
	"slices"
)

// figure is what one system has reached in one benchmark.
type figure struct {
	Bench   string    `json:"bench"`
	System  string    `json:"system"`
	Value   float64   `json:"value"` // median of Runs
	Unit    string    `json:"unit"`
	Runs    []float64 `json:"runs"`
	Note    string    `json:"note"`
	Skipped string    `json:"skipped,omitempty"` // why there is no value
}

type figures []figure

func (f figures) find(bench, system string) (figure, bool) {
	i := slices.IndexFunc(f, func(f figure) bool { return f.Bench == bench && f.System == system && f.Skipped == "" })
	if i < 0 {
		return figure{}, false
	}
	return f[i], true
}

// median is the middle of the values, the mean of the two in the middle of an even number. There must be one.
func median(values []float64) float64 {
	sorted := slices.Sorted(slices.Values(values))
	n := len(sorted)
	return (sorted[(n-1)/2] + sorted[n/2]) / 2
}

// writeJSON writes a line for each figure.
func writeJSON(name string, figures figures) (err error) {
	file, err := os.Create(name)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	lines := json.NewEncoder(file)
	lines.SetEscapeHTML(false)
	for _, f := range figures {
		if err := lines.Encode(f); err != nil {
			return err
		}
	}
	return nil
}
