package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"text/tabwriter"
	"time"
)

// writeTable writes the heading, then a paragraph for each figure: a line for each system, then the targets.
func writeTable(w io.Writer, heading string, rows []row, figures figures) error {
	var table strings.Builder
	table.WriteString(heading + "\n")
	for _, r := range rows {
		for _, c := range r.columns {
			table.WriteString("\n" + paragraph(r, c, figures))
		}
	}
	_, err := io.WriteString(w, table.String())
	return err
}

func paragraph(r row, c column, all figures) string {
	bench := r.bench(c)
	better := "more is better"
	if c.less {
		better = "less is better"
	}
	var lines strings.Builder
	own, measured := all.find(bench, ours)
	for _, f := range all {
		switch {
		case f.Bench != bench:
		case f.Skipped != "":
			fmt.Fprintf(&lines, "  %s\tskipped: %s\n", f.System, f.Skipped)
		default:
			ratio := ""
			if measured && f.System != ours && f.Value != 0 {
				ratio = fmt.Sprintf("strand is %.3gx", own.Value/f.Value)
			}
			fmt.Fprintf(&lines, "  %s\t%s\t%s..%s\t%s\t%s\n", f.System, text(f.Value), text(slices.Min(f.Runs)), text(slices.Max(f.Runs)), ratio, f.Note)
		}
	}
	var verdicts strings.Builder
	for _, t := range c.targets {
		if verdict, ok := t.verdict(bench, all); ok {
			verdicts.WriteString("  target " + verdict + "\n")
		}
	}
	return fmt.Sprintf("%s  %s; %s, %s\n", bench, r.what, c.unit, better) + aligned(lines.String()) + verdicts.String()
}

// aligned puts what tabs divide into columns.
func aligned(lines string) string {
	var out strings.Builder
	columns := tabwriter.NewWriter(&out, 0, 0, 2, ' ', 0)
	_, err := io.WriteString(columns, lines)
	if err := errors.Join(err, columns.Flush()); err != nil {
		return lines // a builder takes everything
	}
	return out.String()
}

// text writes a value with three or four significant digits and thousands apart.
func text(value float64) string {
	if value < 1000 {
		return fmt.Sprintf("%.3g", value)
	}
	digits := fmt.Sprintf("%.0f", value)
	for i := len(digits) - 3; i > 0; i -= 3 {
		digits = digits[:i] + "," + digits[i:]
	}
	return digits
}

func texts(values []float64) string {
	all := make([]string, len(values))
	for i, v := range values {
		all[i] = text(v)
	}
	return strings.Join(all, " ")
}

// machine says where, when and of which commit the figures are: they mean little elsewhere.
func machine(ctx context.Context) string {
	model := "unknown processor"
	info, _ := os.ReadFile("/proc/cpuinfo") // Linux has it
	for line := range strings.Lines(string(info)) {
		if name, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(name) == "model name" {
			model = strings.TrimSpace(value)
			break
		}
	}
	return fmt.Sprintf("%s, %d cores, %s/%s, %s, commit %s, %s", model, runtime.NumCPU(), runtime.GOOS, runtime.GOARCH, runtime.Version(), commit(ctx),
		time.Now().UTC().Format(time.DateOnly))
}

// commit asks git where the build does not know, as under go run.
func commit(ctx context.Context) string {
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, s := range info.Settings {
			if s.Key == "vcs.revision" {
				return s.Value[:min(12, len(s.Value))]
			}
		}
	}
	out, err := exec.CommandContext(ctx, "git", "describe", "--always", "--abbrev=12", "--dirty").Output()
	if err != nil {
		return "unknown"
	}
	return strings.TrimSpace(string(out))
}
