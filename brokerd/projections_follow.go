package main

import (
	"cmp"
	"context"
	"fmt"
	"time"

	"github.com/schollz/progressbar/v3"
	"github.com/spf13/cobra"
)

const (
	followEvery     = 250 * time.Millisecond
	followLineEvery = 5 * time.Second // where there is no terminal to draw on
)

// follow shows how a projection catches up with where the log ends now, and returns when it has.
func follow(ctx context.Context, cmd *cobra.Command, at *modelPlace, m readModels, v *versionFlag, name string) error {
	look := func() (line projectionLine, err error) {
		o, err := v.find(ctx, m, name)
		if err != nil {
			return line, err
		}
		line = m.line(o)
		if unknown := at.server.measure(ctx, &line, o.Source); unknown != "" && ctx.Err() == nil {
			return line, failed(exitUnavailable, nil, "how far behind the log it is cannot be told: %s", unknown)
		}
		return line, ctx.Err()
	}
	first, err := look()
	if err != nil {
		return err
	}
	wait := waited{ends: map[int32]int64{}}
	wait.look(first)
	show := newFollowing(cmd, wait.left)
	defer show.end()
	tick := time.NewTicker(followEvery)
	defer tick.Stop()
	told := ""
	for line := first; ; {
		wait.look(line)
		show.at(wait.left)
		if wait.left == 0 && wait.silent == nil {
			return nil
		}
		if why := wait.why(line); why != told {
			if told = why; why != "" {
				tell(cmd, "%s", why)
			}
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return ctx.Err()
		}
		if line, err = look(); err != nil {
			return err
		}
	}
}

// waited is how far a projection is from where each partition of the log ended when that was first known.
type waited struct {
	ends   map[int32]int64
	left   int64          // records, of those partitions whose end is known
	silent *projectedLine // one of those of which it is not: they do not serve
}

func (w *waited) look(line projectionLine) {
	w.left, w.silent = 0, nil
	for i := range line.Partitions {
		p := &line.Partitions[i]
		end, known := w.ends[p.Partition]
		if !known && p.End != nil {
			end, known = *p.End, true
			w.ends[p.Partition] = end
		}
		if !known {
			w.silent = p
			continue
		}
		next := int64(0)
		if p.Next != nil {
			next = *p.Next
		}
		w.left += max(end-next, 0)
	}
}

// why says what has to happen before anything comes nearer; empty: nothing is known to.
func (w *waited) why(line projectionLine) string {
	switch {
	case line.Paused && w.left > 0:
		return fmt.Sprintf("Projection %s v%d is paused: brokerd projections resume %s has it go on.", line.Name, line.Version, line.Name)
	case w.left == 0 && w.silent != nil:
		return fmt.Sprintf("Partition %d does not serve, and is waited for: %s", w.silent.Partition, cmp.Or(w.silent.Detail, "brokerd doctor says why"))
	}
	return ""
}

// following draws a bar with an estimate on a terminal, and writes a line now and then elsewhere.
type following struct {
	cmd   *cobra.Command
	total int64 // as much as was ever left
	began time.Time
	told  time.Time
	bar   *progressbar.ProgressBar // nil: there is no terminal
}

func newFollowing(cmd *cobra.Command, total int64) *following {
	f := &following{cmd: cmd, total: total, began: time.Now(), told: time.Now()}
	if isTerminal(cmd.ErrOrStderr()) {
		f.bar = progressbar.NewOptions64(max(total, 1), progressbar.OptionSetWriter(cmd.ErrOrStderr()), progressbar.OptionSetDescription("catching up"),
			progressbar.OptionShowIts(), progressbar.OptionSetItsString("records"), progressbar.OptionSetPredictTime(true), progressbar.OptionClearOnFinish())
	}
	return f
}

func (f *following) at(left int64) {
	if left > f.total { // a partition serves that did not
		if f.total = left; f.bar != nil {
			f.bar.ChangeMax64(left)
		}
	}
	done := f.total - left
	if f.bar != nil {
		_ = f.bar.Set64(done) // what cannot be drawn is not needed
		return
	}
	if time.Since(f.told) < followLineEvery {
		return
	}
	f.told = time.Now()
	tell(f.cmd, "%s", progressText(done, f.total, time.Since(f.began)))
}

func (f *following) end() {
	if f.bar != nil {
		_ = f.bar.Finish() // as above
	}
}

// progressText says how far something is and, once there is a pace, how long the rest takes.
func progressText(done, total int64, took time.Duration) string {
	text := fmt.Sprintf("%d of %s", done, counted(total, "record"))
	if done > 0 && done < total {
		rest := time.Duration(float64(took) / float64(done) * float64(total-done))
		text += fmt.Sprintf(", about %s left", shownSpan(rest))
	}
	return text
}
