package main

import (
	"context"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/spf13/cobra"
	"github.com/strandlog/strand/commitlog"
	"github.com/strandlog/strand/connectors/postgres"
	tabletopic "github.com/strandlog/strand/connectors/table"
	"github.com/strandlog/strand/projections"
)

// place is where the read models are that a command is about: in a PostgreSQL database or, where none is named, in table topics of the log.
type modelPlace struct {
	database database
	server   server
	log      bool
}

func (p *modelPlace) addTo(c *cobra.Command) {
	p.database.addTo(c, "the `URL` of a PostgreSQL database (default $"+databaseVariable+", else $"+databaseEverybodysURL+", else the log)")
	p.server.addTo(c)
	c.PersistentFlags().BoolVar(&p.log, "log", false, "look at the read models in the log's table topics, whatever database the environment names")
}

// inLog says whether they are in table topics.
func (p *modelPlace) inLog() bool {
	_, err := p.database.url()
	return p.log || err != nil // which says that none is named
}

// use runs work with the read models, until a signal. What goes wrong is told in the words of the command line.
func (p *modelPlace) use(cmd *cobra.Command, work func(ctx context.Context, m readModels) error) error {
	if p.log && p.database.flag != "" {
		return misused("--log and --database are two places: leave one of them out")
	}
	if p.inLog() {
		return p.server.use(cmd, func(ctx context.Context, client *commitlog.Client) error {
			return work(ctx, readModels{Admin: tabletopic.NewAdmin(client), at: "the log of " + p.server.shown()})
		})
	}
	return p.database.useMigrated(cmd, func(ctx context.Context, pool *pgxpool.Pool) error {
		admin := postgres.NewAdmin(pool)
		return work(ctx, readModels{Admin: admin, database: admin, at: shownDatabase(pool.Config().ConnConfig.Config)})
	})
}

// complete completes the name of a projection, by asking. A place that does not answer at once completes nothing.
func (p *modelPlace) complete(cmd *cobra.Command, args []string, _ string) (names []cobra.Completion, _ cobra.ShellCompDirective) {
	if len(args) > 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	ctx, cancel := context.WithTimeout(cmd.Context(), completeTimeout)
	defer cancel()
	cmd.SetContext(ctx)
	_ = p.use(cmd, func(ctx context.Context, m readModels) error { // of nothing there are no names
		all, err := m.List(ctx)
		for i, o := range all {
			if i == 0 || all[i-1].ID.Name != o.ID.Name {
				names = append(names, o.ID.Name)
			}
		}
		return err
	})
	return names, cobra.ShellCompDirectiveNoFileComp
}

// readModels are those of a place.
type readModels struct {
	projections.Admin
	database *postgres.Admin // nil: they are in the log
	at       string          // the place, as it may be shown to others
}
