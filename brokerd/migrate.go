package main

import (
	"io"
	"time"

	"github.com/spf13/cobra"
	"github.com/strandlog/strand/migrations"
)

func migrateCommand() *cobra.Command {
	var d database
	c := familyCommand(cobra.Command{
		Use:   "migrate",
		Short: "Make and change the schema in which projections keep their checkpoints",
		Long: `Projections into PostgreSQL keep their checkpoints, and what belongs to them, in the schema strand of their database. Migrations make it. Each is done as a
whole or not at all, and those who migrate at the same time wait for each other.`,
		Example: "  brokerd migrate status --database postgres://user@host:5432/name\n  brokerd migrate up\n  brokerd migrate sql | less",
	}, migrateUpCommand(&d), migrateStatusCommand(&d), migrateSQLCommand(), migrateDownCommand(&d))
	d.addTo(c, databaseUsage)
	return c
}

// migrationLine is a migration in JSON.
type migrationLine struct {
	Version int64      `json:"version"`
	Name    string     `json:"name"`
	Applied *time.Time `json:"applied"` // nil: it is pending
}

// writeMigrations answers with migrations, one a row or a line.
func writeMigrations(w io.Writer, f format, versions ...migrations.Version) error {
	rows := newTable(w, right("VERSION"), left("NAME"), left("APPLIED"))
	for _, v := range versions {
		line, applied := migrationLine{Version: v.Number, Name: v.Name}, "pending"
		if !v.Applied.IsZero() {
			line.Applied, applied = new(v.Applied.UTC()), shownTime(v.Applied)
		}
		if f.json() {
			if err := writeJSON(w, line); err != nil {
				return err
			}
			continue
		}
		rows.row(v.Number, v.Name, applied)
	}
	if f.json() {
		return nil
	}
	return rows.flush()
}
