package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
	"syscall"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/spf13/cobra"
	"github.com/strandlog/strand/migrations"
	"github.com/strandlog/strand/projections"
)

// Where the URL of a database comes from when no flag says it. The second one is everybody's: commands that can do without a database leave it alone.
const (
	databaseVariable      = "BROKERD_DATABASE"
	databaseEverybodysURL = "DATABASE_URL"
)

// database is the PostgreSQL database that a command looks at.
type database struct{ flag string }

// addTo gives a command, and those below it, the flag.
func (d *database) addTo(c *cobra.Command, usage string) {
	c.PersistentFlags().StringVar(&d.flag, "database", "", usage)
	_ = c.RegisterFlagCompletionFunc("database", cobra.NoFileCompletions) // the flag exists
}

// databaseUsage is what the flag is to commands that need a database.
const databaseUsage = "the `URL` of a PostgreSQL database (default $" + databaseVariable + ", else $" + databaseEverybodysURL + ")"

// named is what the flag says, or else the variable that only brokerd reads.
func (d *database) named() string {
	if d.flag != "" {
		return d.flag
	}
	return os.Getenv(databaseVariable)
}

// url is where the database is, for commands that need one.
func (d *database) url() (string, error) {
	for _, u := range []string{d.named(), os.Getenv(databaseEverybodysURL)} {
		if u != "" {
			return u, nil
		}
	}
	return "", misused("say which database: --database postgres://user@host:5432/name, or %s or %s in the environment", databaseVariable, databaseEverybodysURL)
}

// use runs work with connections to the database, until a signal. What goes wrong is told in the words of the command line.
func (d *database) use(cmd *cobra.Command, work func(ctx context.Context, pool *pgxpool.Pool) error) error {
	url, err := d.url()
	if err != nil {
		return err
	}
	return untilSignal(cmd.Context(), func(ctx context.Context) error {
		pool, err := openPool(ctx, url)
		if err == nil {
			err = work(ctx, pool)
			pool.Close()
			err = explainDatabase(err, pool.Config().ConnConfig.Config)
		}
		if err != nil && ctx.Err() != nil && errors.Is(err, context.Canceled) {
			return failed(exitError, err, "interrupted")
		}
		return err
	})
}

// useMigrated is the same for work that needs what the migrations make.
func (d *database) useMigrated(cmd *cobra.Command, work func(ctx context.Context, pool *pgxpool.Pool) error) error {
	return d.use(cmd, func(ctx context.Context, pool *pgxpool.Pool) error {
		if err := migrations.Check(ctx, pool); err != nil {
			return err
		}
		return work(ctx, pool)
	})
}

// openPool connects, or says that there is nothing to connect to.
func openPool(ctx context.Context, url string) (*pgxpool.Pool, error) {
	cfg, err := pgxpool.ParseConfig(url)
	if err != nil {
		return nil, misused("--database: %s", err) // pgx leaves the password out
	}
	if cfg.ConnConfig.ConnectTimeout == 0 {
		cfg.ConnConfig.ConnectTimeout = dialTimeout
	}
	if cfg.ConnConfig.RuntimeParams["application_name"] == "" {
		cfg.ConnConfig.RuntimeParams["application_name"] = "brokerd"
	}
	pool, err := pgxpool.NewWithConfig(ctx, cfg)
	if err != nil {
		return nil, misused("--database: %s", err)
	}
	if err := pool.Ping(ctx); err != nil {
		pool.Close()
		return nil, explainDatabase(err, cfg.ConnConfig.Config)
	}
	return pool, nil
}

// shownDatabase is a database as it may be shown to others.
func shownDatabase(cfg pgconn.Config) string {
	at := net.JoinHostPort(cfg.Host, fmt.Sprint(cfg.Port))
	if strings.HasPrefix(cfg.Host, "/") {
		at = fmt.Sprintf("%s/.s.PGSQL.%d", cfg.Host, cfg.Port)
	}
	return fmt.Sprintf("database %q at %s", cfg.Database, at)
}

// explainDatabase says what an error of the database means here, and what to do about it.
func explainDatabase(err error, cfg pgconn.Config) error {
	told, usage := new(toldError), new(usageError)
	if err == nil || errors.As(err, &told) || errors.As(err, &usage) {
		return err
	}
	if pending, ok := errors.AsType[*migrations.PendingError](err); ok {
		return failed(exitPending, err, "%s lacks %s that this version of brokerd needs: brokerd migrate up does %s", shownDatabase(cfg), counted(pending.Pending, "migration"), them(pending.Pending))
	}
	if said, ok := errors.AsType[*pgconn.PgError](err); ok {
		return explainCode(err, said, cfg)
	}
	if connecting, ok := errors.AsType[*pgconn.ConnectError](err); ok {
		return failed(exitUnavailable, err, "no %s: %s\n  name another: --database URL, or %s in the environment", shownDatabase(cfg), unreached(connecting), databaseVariable)
	}
	switch {
	case errors.Is(err, projections.ErrTransient):
		return failed(exitUnavailable, err, "%s does not answer: %s", shownDatabase(cfg), err)
	case errors.Is(err, projections.ErrInvalid):
		return failed(exitRefused, err, "%s", plain(err))
	}
	return failed(exitError, err, "%s", plain(err))
}

// explainCode says what a code of PostgreSQL's means here.
func explainCode(err error, said *pgconn.PgError, cfg pgconn.Config) error {
	switch {
	case said.Code == "3D000":
		return failed(exitNotFound, err, "%s does not exist: create it first, such as with createdb", shownDatabase(cfg))
	case strings.HasPrefix(said.Code, "28"):
		return failed(exitRefused, err, "%s does not let user %q in: %s", shownDatabase(cfg), cfg.User, said.Message)
	case said.Code == "42501":
		return failed(exitRefused, err, "%s: user %q may not do that: %s", shownDatabase(cfg), cfg.User, said.Message)
	case strings.HasPrefix(said.Code, "53"), strings.HasPrefix(said.Code, "57P"), strings.HasPrefix(said.Code, "08"):
		return failed(exitUnavailable, err, "%s does not serve: %s", shownDatabase(cfg), said.Message)
	}
	code := exitError
	if errors.Is(err, projections.ErrTransient) {
		code = exitUnavailable
	}
	return failed(code, err, "%s: %s", shownDatabase(cfg), plain(err))
}

// unreached is why a connection could not be made, in short.
func unreached(err error) string {
	lookup := new(net.DNSError)
	switch {
	case errors.Is(err, syscall.ECONNREFUSED):
		return "connection refused"
	case errors.Is(err, syscall.ENOENT):
		return "there is no such socket"
	case errors.Is(err, context.DeadlineExceeded):
		return fmt.Sprintf("no answer within %v", dialTimeout)
	case errors.As(err, &lookup):
		return lookup.Error()
	}
	return err.Error()
}
