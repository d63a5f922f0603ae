// Package migrations makes the schema "strand" of a PostgreSQL database, in which projections keep their checkpoints and what belongs to them.
//
//	err := migrations.Migrate(ctx, pool)          // as brokerd migrate up does
//	err := migrations.Check(ctx, pool)            // ErrPending when something is to be done first
//	versions, err := migrations.Status(ctx, pool) // what is done, and what is not
//
// The migrations are the SQL files beside this one, in goose's format, which [FS] gives to other tools. Two processes that migrate at the same time wait for
// each other. What is done stands in strand.schema_version. Each migration is done as a whole or not at all.
package migrations
