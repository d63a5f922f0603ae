// Package workload is what every system under measurement is asked to do: the same events, streams, loops and scales, so that a ratio compares systems and
// not harnesses.
//
//	task := workload.Task{Bench: "append/cond/64w", For: 3 * time.Second, Scale: workload.Full}
//	done, err := workload.Loop(ctx, 64, task.For, func(ctx context.Context, worker, i int) error { … })
//	result := workload.Result{Values: []float64{done.PerSecond()}, Note: "p50 " + done.Median().String()}
//
// It imports nothing but the standard library: the peers, which are a module of their own, use it as well.
package workload
