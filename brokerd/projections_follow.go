package main

import (
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
	ends := map[int32]int64{}
	for _, p := range first.Partitions {
		if p.End != nil {
			ends[p.Partition] = *p.End
		}
	}
	left := func(line projectionLine) (records int64) {
		for _, p := range line.Partitions {
			next := int64(0)
			if p.Next != nil {
				next = *p.Next
			}
			records += max(ends[p.Partition]-next, 0)
		}
		return records
	}
	total := left(first)
	show := newFollowing(cmd, total)
	defer show.end()
	tick := time.NewTicker(followEvery)
	defer tick.Stop()
	for line := first; ; {
		records := left(line)
		show.at(total - records)
		if records == 0 {
			return nil
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

// following draws a bar with an estimate on a terminal, and writes a line now and then elsewhere.
type following struct {
	cmd   *cobra.Command
	total int64
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

func (f *following) at(done int64) {
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
