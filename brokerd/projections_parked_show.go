package main

import (
	"cmp"
	"context"
	"fmt"
	"io"

	"github.com/spf13/cobra"
	"github.com/strandlog/strand/commitlog"
)

func projectionsParkedShowCommand(at *modelPlace) *cobra.Command {
	var f format
	var v versionFlag
	var of parkedStream
	offset := int64(-1)
	c := &cobra.Command{
		Use:   "show NAME --stream STREAM",
		Short: "Show a parked event, why it is, and what it says",
		Long: `Show the first parked event of a stream: why it was refused, how many wait behind it, and the event itself as it is in the log. With --offset it is another one. Where
no node answers, what the read model knows is shown without the event.

` + exitHelp(exitOK, exitError, exitUsage, exitUnavailable, exitNotFound, exitRefused, exitPending),
		Example:           "  brokerd projections parked show balances --stream account-alice\n  brokerd projections parked show balances --stream account-alice -o json | jq .event.data",
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: at.complete,
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := of.check(); err != nil {
				return err
			}
			if offset < 0 && cmd.Flags().Changed("offset") {
				return misused("--offset %d is none: offsets count from 0", offset)
			}
			return at.use(cmd, func(ctx context.Context, m readModels) error {
				o, err := v.find(ctx, m, args[0])
				if err != nil {
					return err
				}
				events, err := of.of(ctx, m, o.ID)
				if err != nil {
					return err
				}
				if len(events) == 0 {
					return of.none(o.ID)
				}
				i := 0
				for offset >= 0 && events[i].Offset != offset {
					if i++; i == len(events) {
						return failed(exitNotFound, nil, "no parked event of stream %q is at offset %d: brokerd projections parked list %s --stream shows those that there are", of.stream, offset, args[0])
					}
				}
				shown := parkedDetail{parkedLine: newParkedLine(o, events[i])}
				for _, later := range events[i+1:] {
					if !later.Skipped {
						shown.Behind++
					}
				}
				var stored event
				err = at.server.ask(ctx, func(client *commitlog.Client) error {
					var err error
					stored, err = eventAt(ctx, client, parkedAt(o, events[i]))
					return err
				})
				switch {
				case ctx.Err() != nil:
					return ctx.Err()
				case err != nil:
					tell(cmd, "This is what %s knows. The event itself cannot be read: %s", m.at, firstLine(err))
				default:
					shown.Event = new(newEventLine(stored))
				}
				if f.json() {
					return writeJSON(cmd.OutOrStdout(), shown)
				}
				return showParked(cmd.OutOrStdout(), shown, stored)
			})
		},
	}
	c.Flags().Int64Var(&offset, "offset", offset, "show the one at this `offset` (default: the first)")
	of.addTo(c, "the `stream`")
	v.addTo(c)
	f.addTo(c)
	return c
}

// parkedDetail is a parked event in JSON, with the event itself.
type parkedDetail struct {
	parkedLine
	Behind int        `json:"behind"` // events of the stream that are parked behind it
	Event  *eventLine `json:"event"`  // nil: it could not be read
}

func showParked(w io.Writer, shown parkedDetail, stored event) error {
	if err := writeFacts(w, [][2]string{
		{"Projection", fmt.Sprintf("%s v%d", cell([]byte(shown.Projection)), shown.Version)}, {"State", shown.State}, {"Parked", shownTime(shown.Parked)},
		{"Attempts", fmt.Sprint(shown.Attempts)}, {"Behind it", counted(shown.Behind, "event")},
	}); err != nil {
		return err
	}
	if shown.Event == nil {
		if err := writeFacts(w, [][2]string{
			{"Position", shown.Position}, {"Stream", cell([]byte(shown.Stream))}, {"Type", cell([]byte(shown.Type))}, {"Id", shown.EventID.String()},
		}); err != nil {
			return err
		}
	}
	if _, err := fmt.Fprintf(w, "\n%s\n", cmp.Or(shown.Reason, "It waits for an earlier event of its stream.")); err != nil || shown.Event == nil {
		return err
	}
	if _, err := fmt.Fprintln(w); err != nil {
		return err
	}
	return showEvent(w, stored)
}
