package workload

import "time"

// Task is one run of one benchmark on one system.
type Task struct {
	Bench string        // name of the row, without the suffix of a column
	For   time.Duration // how long to measure where the amount of work is open
	Scale Scale
}

// Result is what one run has measured: a value for each column of the row, and how it was come by.
type Result struct {
	Values []float64
	Note   string
}
