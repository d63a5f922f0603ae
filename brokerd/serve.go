package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"
	"github.com/strandlog/strand/brokerd/broker"
	"github.com/strandlog/strand/brokerd/config"
)

func serveCommand() *cobra.Command {
	var file, admin string
	cmd := &cobra.Command{
		Use:   "serve",
		Short: "Run a node from a configuration file",
		Long: `Run a node from a configuration file. It logs when it is ready, and stops on SIGTERM or SIGINT within 10 s.
A second signal stops it at once, with code 143 or 130. Acknowledged appends are on disk in either case.

While the disk is full it refuses appends and serves reads, until there is room again. If the disk fails it restarts its store; when that
does not help it exits with code 4.

With admin.listen it shows over HTTP: /livez, /readyz (503 with the reasons while it cannot store, or a shard does not serve) and /metrics
for Prometheus. OTEL_EXPORTER_OTLP_ENDPOINT has metrics and traces sent as well.

The file, with its defaults:

` + config.Reference,
		Example: "  brokerd serve -c brokerd.yaml",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			began := time.Now()
			if file == "" {
				return &usageError{errors.New("serve needs its configuration file: brokerd serve -c FILE (brokerd serve --help shows one)")}
			}
			cfg, err := config.Load(file)
			if errors.Is(err, config.ErrInvalid) {
				return &usageError{fmt.Errorf("wrong configuration:\n%w", err)}
			}
			if err != nil {
				return &usageError{err}
			}
			if admin != "" {
				if err := config.CheckAdmin(admin, cfg.Admin.AllowRemote); err != nil {
					return &usageError{fmt.Errorf("--admin-listen %s: %w", admin, err)}
				}
				cfg.Admin.Listen = admin
			}
			dir, err := filepath.Abs(cfg.DataDir)
			if err != nil {
				return &usageError{err}
			}
			cluster, err := clusterOf(cfg.Cluster)
			if err != nil {
				return &usageError{err}
			}
			logger := newLogger(cmd.ErrOrStderr(), cfg.Log)
			node := broker.Config{
				Dir:           dir,
				Listen:        cfg.Listen,
				AllowRemote:   cfg.AllowRemote,
				Cluster:       cluster,
				UnsafeNoSync:  cfg.UnsafeNoSync,
				StoreBytesMax: cfg.StoreBytesMax,
				FreeBytesMin:  cfg.FreeBytesMin,
				HeadsMax:      cfg.HeadsMax,
				Admin:         broker.AdminConfig{Listen: cfg.Admin.Listen, AllowRemote: cfg.Admin.AllowRemote, Pprof: cfg.Admin.Pprof},
				Logger:        logger,
			}
			return untilSignal(cmd.Context(), func(ctx context.Context) error {
				err := runNode(ctx, node, func(b *broker.Broker) error {
					logger.Info("ready", slog.String("url", b.URL()), slog.String("admin_url", b.AdminURL()), slog.String("data_dir", dir), slog.Duration("took", time.Since(began)))
					return nil
				})
				if err == nil {
					logger.Info("stopped")
				}
				return err
			})
		},
	}
	cmd.Flags().StringVarP(&file, "config", "c", "", "the configuration `file`, YAML")
	cmd.Flags().StringVar(&admin, "admin-listen", "", "`host:port` for health and metrics, instead of admin.listen in the file")
	_ = cmd.MarkFlagFilename("config", "yaml", "yml") // the flag exists
	return cmd
}
