package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"
	"github.com/strandlog/strand/brokerd/broker"
	"github.com/strandlog/strand/brokerd/config"
)

func devCommand(program string) *cobra.Command {
	var dataDir, listen, admin string
	cmd := &cobra.Command{
		Use:   "dev",
		Short: "Run a node to try things on",
		Long: `Run a node on this machine, without a configuration file.

It keeps its data in a temporary directory that it deletes when it stops, or in --data-dir, which it leaves.
It stops on Ctrl-C or SIGTERM. A second Ctrl-C stops it at once, and then leaves the temporary directory too.`,
		Example: "  brokerd dev\n  brokerd dev --data-dir strand-data\n  brokerd dev --listen 127.0.0.1:0   # any free port",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			began := time.Now()
			if err := config.CheckListen(listen, false); err != nil {
				return &usageError{fmt.Errorf("--listen %s: %w", listen, err)}
			}
			if admin != "" {
				if err := config.CheckAdmin(admin, false); err != nil {
					return &usageError{fmt.Errorf("--admin-listen %s: %w", admin, err)}
				}
			}
			if dataDir != "" {
				abs, err := filepath.Abs(dataDir)
				if err != nil {
					return fmt.Errorf("finding the data directory: %w", err)
				}
				dataDir = abs
			}
			cfg := broker.Config{
				Dir:    dataDir,
				Listen: listen,
				Admin:  broker.AdminConfig{Listen: admin, Pprof: true}, // for this machine alone, and to try things on
				Logger: newLogger(cmd.ErrOrStderr(), config.Log{Level: slog.LevelWarn}),
			}
			return untilSignal(cmd.Context(), func(ctx context.Context) error {
				err := runNode(ctx, cfg, func(b *broker.Broker) error {
					return welcome(cmd.OutOrStdout(), place{
						url:     b.URL(),
						admin:   b.AdminURL(),
						dir:     b.Dir(),
						kept:    dataDir != "",
						took:    time.Since(began),
						command: invocation(program),
					})
				})
				if errors.Is(err, syscall.EADDRINUSE) {
					try := invocation(program) + " dev --listen 127.0.0.1:0"
					if cmd.Flags().Changed("admin-listen") {
						try += " --admin-listen 127.0.0.1:0"
					}
					return fmt.Errorf("%w\n  try: %s", err, try)
				}
				return err
			})
		},
	}
	cmd.Flags().StringVar(&dataDir, "data-dir", "", "keep the data in this `directory` (default: a temporary one, deleted at exit)")
	cmd.Flags().StringVar(&listen, "listen", config.ListenDefault, "`host:port` for clients, of this machine alone; port 0 takes any free one")
	cmd.Flags().StringVar(&admin, "admin-listen", "127.0.0.1:0", "`host:port` for health, metrics and profiles, of this machine alone; empty: none")
	_ = cmd.MarkFlagDirname("data-dir") // the flag exists
	return cmd
}

// place is what to know about a node that is ready.
type place struct {
	url, admin, dir string // admin may be empty
	kept            bool   // dir outlives the node
	took            time.Duration
	command         string // runs brokerd from here
}

// welcome says where the node is and what to do with it. Every line of it works when it is copied.
func welcome(w io.Writer, p place) error {
	data := p.dir + "\n            temporary: deleted when brokerd stops"
	list := p.command + " topics list"
	if p.url != serverDefault {
		list += " --server " + p.url
	}
	next := [][2]string{
		{list, "what it holds; run it in another terminal"},
		{p.command + " dev --data-dir strand-data", "a node like this, with data that stays"},
		{p.command + " serve --help", "run from a configuration file"},
	}
	if p.kept {
		data = p.dir + "\n            kept: to discard it, stop brokerd and run   rm -r " + shellQuote(p.dir)
		next = slices.Delete(next, 1, 2) // it is one
	}
	if _, err := os.Stat(filepath.Join("examples", "quickstart", "main.go")); err == nil {
		next = append([][2]string{{"go run ./examples/quickstart", "aggregate, command, projection and replay, on a broker of its own"}}, next...)
	}
	var b strings.Builder
	fmt.Fprintf(&b, "Strand is ready, after %s.\n\n", p.took.Round(time.Millisecond))
	fmt.Fprintf(&b, "  Clients   %s\n", p.url)
	if p.admin != "" {
		fmt.Fprintf(&b, "  Admin     %s   (/readyz, /metrics, /debug/pprof/)\n", p.admin)
	}
	fmt.Fprintf(&b, "  Data      %s\n  Stop      Ctrl-C\n\n", data)
	fmt.Fprintf(&b, "Use it from a Go program:\n\n")
	fmt.Fprintf(&b, "  client, err := commitlog.Dial(ctx, %q)\n", p.url)
	fmt.Fprintf(&b, "  topic, err := client.CreateTopic(ctx, commitlog.TopicConfig{Name: \"events\"})\n\n")
	fmt.Fprintf(&b, "Try next:\n\n")
	width := 0
	for _, n := range next {
		width = max(width, len(n[0]))
	}
	for _, n := range next {
		fmt.Fprintf(&b, "  %-*s   # %s\n", width, n[0], n[1])
	}
	if _, err := io.WriteString(w, b.String()); err != nil {
		return fmt.Errorf("writing where the node is: %w", err)
	}
	return nil
}

// invocation is what a user types to run this program again: the go command keeps what it builds for `go run` in a place of its own.
func invocation(program string) string {
	if strings.Contains(filepath.ToSlash(program), "/go-build") {
		return "go run ./brokerd"
	}
	return shellQuote(program)
}

// shellQuote leaves plain words as they are.
func shellQuote(s string) string {
	plain := func(r rune) bool {
		return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("/._-+:@", r)
	}
	if s != "" && strings.IndexFunc(s, func(r rune) bool { return !plain(r) }) < 0 {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}
