package main

import (
	"bytes"
	"encoding/json"
	"io"
	"time"
	"unicode/utf8"

	"github.com/google/uuid"
	"github.com/spf13/cobra"
	"github.com/strandlog/strand/commitlog"
	"github.com/strandlog/strand/eventstore"
)

func eventsCommand() *cobra.Command {
	var s server
	c := familyCommand(cobra.Command{
		Use:   "events",
		Short: "Show the events of a versioned topic",
		Long: `Show the events of a versioned topic as they are stored, whatever program wrote them: no schema is needed. To read one stream from its first event on
there is brokerd streams history.`,
		Example: "  brokerd events tail\n  brokerd events tail --follow --category account\n  brokerd events show events/3@1207",
	}, eventsTailCommand(&s), eventsShowCommand(&s))
	s.addTo(c)
	return c
}

// event is an event as it is stored.
type event = eventstore.Recorded[eventstore.Raw]

// eventLine is an event in JSON. Of data and dataBase64 one is there.
type eventLine struct {
	Position    string          `json:"position"`
	Stream      string          `json:"stream"`
	Version     int64           `json:"version"`
	Type        string          `json:"type"`
	Time        time.Time       `json:"time"`
	ID          uuid.UUID       `json:"id"`
	Metadata    metadataLine    `json:"metadata,omitzero"`
	ContentType string          `json:"contentType"`
	Data        json.RawMessage `json:"data,omitempty"`
	DataBase64  []byte          `json:"dataBase64,omitempty"`
}

type metadataLine struct {
	CommandID     string            `json:"commandId,omitempty"`
	CorrelationID string            `json:"correlationId,omitempty"`
	CausationID   string            `json:"causationId,omitempty"`
	Traceparent   string            `json:"traceparent,omitempty"`
	Tracestate    string            `json:"tracestate,omitempty"`
	Tenant        string            `json:"tenant,omitempty"`
	Actor         string            `json:"actor,omitempty"`
	Tags          []string          `json:"tags,omitempty"`
	User          map[string]string `json:"user,omitempty"`
}

// IsZero lets metadata be left out of which there are none.
func (m metadataLine) IsZero() bool {
	return m.CommandID+m.CorrelationID+m.CausationID+m.Traceparent+m.Tracestate+m.Tenant+m.Actor == "" && len(m.Tags)+len(m.User) == 0
}

func newEventLine(e event) eventLine {
	line := eventLine{
		Position: e.Position.String(), Stream: string(e.Stream), Version: e.Version, Type: e.Type, Time: e.Time, ID: e.ID,
		Metadata: metadataLine{
			e.Metadata.CommandID, e.Metadata.CorrelationID, e.Metadata.CausationID, e.Metadata.Traceparent, e.Metadata.Tracestate,
			e.Metadata.Tenant, e.Metadata.Actor, e.Metadata.Tags, e.Metadata.User,
		},
		ContentType: e.Data.ContentType,
	}
	if isJSON(e) {
		line.Data = e.Data.Bytes
	} else {
		line.DataBase64 = e.Data.Bytes
	}
	return line
}

// isJSON says whether the data can stand in JSON as it is. Nobody has checked what was stored under that content type.
func isJSON(e event) bool {
	return e.Data.ContentType == "application/json" && utf8.Valid(e.Data.Bytes) && json.Valid(e.Data.Bytes)
}

// oneLine is an event's data for a table.
func oneLine(e event) string {
	var compact bytes.Buffer
	if isJSON(e) && json.Compact(&compact, e.Data.Bytes) == nil {
		return cell(compact.Bytes())
	}
	return cell(e.Data.Bytes)
}

// eventWriter shows events as lines of JSON, or in columns that the command chooses.
type eventWriter struct {
	w    io.Writer
	rows *table // nil: JSON
	row  func(e event) []any
}

func newEventWriter(w io.Writer, f format, row func(e event) []any, columns ...column) *eventWriter {
	if f.json() {
		return &eventWriter{w: w}
	}
	return &eventWriter{w: w, rows: newTable(w, columns...), row: row}
}

func (w *eventWriter) write(e event) error {
	if w.rows == nil {
		return writeJSON(w.w, newEventLine(e))
	}
	w.rows.row(w.row(e)...)
	return w.rows.err
}

func (w *eventWriter) flush() error {
	if w.rows == nil {
		return nil
	}
	return w.rows.flush()
}

// requireVersioned refuses a topic that holds no events.
func requireVersioned(t commitlog.Topic) error {
	if t.Kind == commitlog.Versioned {
		return nil
	}
	return failed(exitRefused, nil, "topic %q is %s: it holds records, and no events\n  brokerd topics consume %[1]s shows them", t.Name, t.Kind)
}
