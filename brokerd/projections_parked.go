package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/spf13/cobra"
	"github.com/strandlog/strand/eventstore"
	"github.com/strandlog/strand/projections"
)

func projectionsParkedCommand(at *modelPlace) *cobra.Command {
	return familyCommand(cobra.Command{
		Use:   "parked",
		Short: "Show events that could not be handled, retry them, drop them",
		Long: `An event that a projection cannot handle is parked, when the worker is told to do so (projections.OnError), and with it the later events of its stream, in order:
all other streams go on. They wait until another attempt is asked for, or until they are dropped.`,
		Example: "  brokerd projections parked list balances\n  brokerd projections parked show balances --stream account-alice\n  brokerd projections parked retry balances --stream account-alice",
	}, projectionsParkedListCommand(at), projectionsParkedShowCommand(at), projectionsParkedRetryCommand(at), projectionsParkedDropCommand(at))
}

// What a parked event waits for.
const (
	parkedRefused = "refused" // somebody: it could not be handled
	parkedBehind  = "behind"  // an earlier event of its stream, which was refused
	parkedRetry   = "retry"   // a worker: another attempt was asked for
	parkedSkipped = "skipped" // nothing: it is there for the record
)

// parkedLine is a parked event in JSON.
type parkedLine struct {
	Projection string    `json:"projection"`
	Version    int       `json:"version"`
	Position   string    `json:"position"`
	Partition  int32     `json:"partition"`
	Offset     int64     `json:"offset"`
	Stream     string    `json:"stream"`
	EventID    uuid.UUID `json:"eventId"`
	Type       string    `json:"type"`
	State      string    `json:"state"`
	Reason     string    `json:"reason,omitempty"`
	Attempts   int       `json:"attempts"` // that were asked for, and failed
	Parked     time.Time `json:"parked"`
}

func newParkedLine(o projections.Overview, e projections.ParkedEvent) parkedLine {
	state := parkedBehind
	switch {
	case e.Skipped:
		state = parkedSkipped
	case e.Retry:
		state = parkedRetry
	case e.Reason != "":
		state = parkedRefused
	}
	return parkedLine{
		Projection: o.ID.Name, Version: o.ID.Version, Position: parkedAt(o, e).String(), Partition: e.Partition, Offset: e.Offset, Stream: e.Stream, EventID: e.ID, Type: e.Type,
		State: state, Reason: e.Reason, Attempts: e.Attempts, Parked: e.Parked.UTC(),
	}
}

// cause is the reason without the place, which other columns show.
func (line parkedLine) cause() string {
	if _, cause, found := strings.Cut(line.Reason, fmt.Sprintf(" of stream %q: ", line.Stream)); found {
		return cause
	}
	return line.Reason
}

// parkedAt is where an event is in the log.
func parkedAt(o projections.Overview, e projections.ParkedEvent) eventstore.Position {
	return eventstore.Position{Topic: o.Source.Topic, TopicID: o.Source.TopicID, LogID: o.Source.LogID, Partition: e.Partition, Offset: e.Offset}
}

// parkedStream is the flag that says of which stream.
type parkedStream struct{ stream string }

func (p *parkedStream) addTo(c *cobra.Command, usage string) {
	c.Flags().StringVar(&p.stream, "stream", "", usage)
}

func (p *parkedStream) check() error {
	if p.stream == "" {
		return misused("say which stream: --stream; brokerd projections parked list shows those that there are")
	}
	return nil
}

// of lists the parked events of the stream, or of all if none is named.
func (p *parkedStream) of(ctx context.Context, m readModels, id projections.ID) (some []projections.ParkedEvent, err error) {
	all, err := m.Parked(ctx, id)
	for _, e := range all {
		if p.stream == "" || e.Stream == p.stream {
			some = append(some, e)
		}
	}
	return some, err
}

// none says that no event of the stream is parked.
func (p *parkedStream) none(id projections.ID) error {
	return failed(exitNotFound, nil, "projection %s has no parked events of stream %q: brokerd projections parked list %s --version %d shows those that it has", id, p.stream, id.Name, id.Version)
}

// parkedAnswer is what was done with the parked events of a stream, in JSON.
type parkedAnswer struct {
	Projection string `json:"projection"`
	Version    int    `json:"version"`
	Stream     string `json:"stream"`
	Events     int64  `json:"events"`
}
