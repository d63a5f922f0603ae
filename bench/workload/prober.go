package workload

import "context"

// Prober runs a task. What it needs besides, such as a data set, it makes when it is first asked, outside of what it measures, and keeps.
type Prober func(ctx context.Context, task Task) (Result, error)
