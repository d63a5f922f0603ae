package postgres

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/strandlog/strand/projections"
)

// The codes that the functions of schema strand raise.
const (
	codeFenced   = "ST409"
	codeConflict = "ST410"
	codePaused   = "ST411"
)

const (
	codeLocked   = "55P03" // a lock was held for too long
	codeDeadlock = "40P01"
)

// transientCodes are the errors of the moment, by their codes or classes.
func transientCodes() []string {
	return []string{
		"08",    // connections
		"40",    // serialization failures and deadlocks
		"53",    // no connections, memory or room on the disk
		"57P",   // the server stops, or starts
		"57014", // a statement that took too long
		"58",    // the server's files
		"25P03", // a transaction that was idle for too long
		"25006", // it is a standby, after a failover
		codeLocked,

		codeConflict, // rows that another partition, or an operator, has changed meanwhile
		codePaused,   // until it is resumed
	}
}

// classified marks errors of the moment.
func classified(err error) error {
	if err == nil || errors.Is(err, projections.ErrTransient) || errors.Is(err, projections.ErrFenced) || errors.Is(err, projections.ErrUnusable) {
		return err
	}
	if said, ok := errors.AsType[*pgconn.PgError](err); ok {
		if replanned(said) {
			return &projections.TransientError{Err: err}
		}
		for _, code := range transientCodes() {
			if strings.HasPrefix(said.Code, code) {
				return &projections.TransientError{Err: explained(err, said)}
			}
		}
		err := explained(err, said)
		if strings.HasPrefix(said.Code, "42") || strings.HasPrefix(said.Code, "3F") { // what is missing, or not permitted, is so for all events
			return &projections.UnusableError{Err: err}
		}
		class := said.Code[:min(2, len(said.Code))]
		if slices.Contains([]string{"22", "23", "54"}, class) && said.Code != "23502" { // a column that has to be given is missing from all rows
			return &projections.DataError{Err: err}
		}
		return err
	}
	if errors.Is(err, pgx.ErrTxCommitRollback) { // it ends as one that succeeds, but for this
		return &projections.DataError{Err: fmt.Errorf("%w: a handler went on after an error of PostgreSQL: return it, or wrap what may fail in a savepoint (tx.Begin)", err)}
	}
	if _, connecting := errors.AsType[*pgconn.ConnectError](err); connecting {
		err = fmt.Errorf("%w: start PostgreSQL, or correct the address that the pool was given", err)
	}
	if lost(err) {
		return &projections.TransientError{Err: err}
	}
	return err
}

// handled is classified for what handlers return. What they do beside their transaction breaks as well, and that is for whoever reads their errors: only what
// PostgreSQL says, or the end of their connection, is of the moment.
func handled(err error, closed bool) error {
	if _, said := errors.AsType[*pgconn.PgError](err); said || errors.Is(err, pgx.ErrTxCommitRollback) || errors.Is(err, projections.ErrTransient) {
		return classified(err)
	}
	if err != nil && closed && !errors.Is(err, context.Canceled) && !errors.Is(err, context.DeadlineExceeded) {
		return &projections.TransientError{Err: err}
	}
	return err
}

// replanned says whether a table has changed under a statement that was prepared before: the driver prepares it anew the next time, and then it succeeds or
// says what is wrong.
func replanned(said *pgconn.PgError) bool {
	return said.Code == "0A000" && said.Routine == "RevalidateCachedQuery" // the message may be in any language
}

// lost says whether a connection could not be made, or is no more.
func lost(err error) bool {
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return false
	}
	_, connecting := errors.AsType[*pgconn.ConnectError](err)
	_, network := errors.AsType[net.Error](err)
	return connecting || network || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, net.ErrClosed) ||
		pgconn.SafeToRetry(err) || errors.Is(err, pgx.ErrTxClosed) || strings.Contains(err.Error(), "conn closed")
}

const hintMisfit = "the table is not what the code writes: raise the projection's version, so that it is made anew"

// misfit is what an error is of a value that does not go from a table into a row.
func misfit(err error) error {
	return &projections.UnusableError{Err: fmt.Errorf("%w: %s", err, hintMisfit)}
}

// gone adds the way out to an error of a table that its sink has made.
func gone(err error) error {
	if !missing(err) {
		return err
	}
	return &projections.UnusableError{Err: fmt.Errorf("%w: call projections.Rebuild, or raise the projection's version: either makes the table anew, from the log", err)}
}

// explained adds the way out to what PostgreSQL says.
func explained(err error, said *pgconn.PgError) error {
	var hint string
	switch said.Code {
	case "42P01", "3F000":
		hint = "create it in the projection's Setup, and rebuild; or raise the projection's version"
	case "42703", "42804":
		hint = hintMisfit
	case "53100":
		hint = "make room on PostgreSQL's disk"
	case "53300":
		hint = "have pools of fewer connections, MaxConns, or raise max_connections"
	case "2BP01":
		hint = "others have built on it (" + strings.ReplaceAll(said.Detail, "\n", "; ") + "): drop that first, and make it again afterwards"
	case "42501":
		hint = "grant the role of the connection what it needs"
	case "22021":
		hint = "PostgreSQL's text holds no NUL and only valid UTF-8: clean the value in the handler, or keep it as bytes"
	default:
		if !strings.HasPrefix(said.Code, "22") && !strings.HasPrefix(said.Code, "23") && !strings.HasPrefix(said.Code, "54") {
			return err
		}
		hint = "mend the handler, or the table that it writes to: the next run begins with this event"
	}
	return fmt.Errorf("%w: %s", err, hint)
}

// fenced is the FencedError that the database's refusal is, nil if it is none.
func fenced(err error, c projections.Claim) error {
	said, ok := errors.AsType[*pgconn.PgError](err)
	if !ok || said.Code != codeFenced {
		return nil
	}
	owner, _ := strconv.ParseUint(said.Detail, 10, 64)
	return &projections.FencedError{Projection: c.ID(), Partition: c.Partition, Epoch: c.Epoch, Owner: owner}
}

// answered says whether PostgreSQL answered with one of some codes.
func answered(err error, codes ...string) bool {
	answer, ok := errors.AsType[*pgconn.PgError](err)
	return ok && slices.Contains(codes, answer.Code)
}

func conflict(err error) bool { return answered(err, codeConflict) }

// locked says whether a lock was held for too long, or two waited for each other's.
func locked(err error) bool { return answered(err, codeLocked, codeDeadlock) }

// missing says whether there is no such table or schema.
func missing(err error) bool { return answered(err, "42P01", "3F000") }
