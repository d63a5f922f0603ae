package main

import (
	"io"

	"github.com/spf13/cobra"
	"github.com/strandlog/strand/migrations"
)

func migrateSQLCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "sql",
		Short: "Print the SQL of all migrations",
		Long: `Print the SQL of all migrations, for an empty database and for those who run it by other means, or read it first. Its last lines note that it was done. It asks
no database.

` + exitHelp(exitOK, exitError, exitUsage),
		Example: "  brokerd migrate sql | psql --single-transaction -v ON_ERROR_STOP=1 name",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			sql, err := migrations.SQL()
			if err != nil {
				return err
			}
			_, err = io.WriteString(cmd.OutOrStdout(), sql)
			return err
		},
	}
}
