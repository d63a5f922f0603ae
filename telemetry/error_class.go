package telemetry

import (
	"context"
	"errors"

	"github.com/strandlog/strand/commitlog"
	"github.com/strandlog/strand/eventstore"
	"github.com/strandlog/strand/projections"
)

// classes name errors for the attribute error.type. The first that matches counts: an indefinite outcome also wraps what led to it.
var classes = []struct { //nolint:gochecknoglobals // a table that is never written to
	err  error
	name string
}{
	{commitlog.ErrIndefinite, "indefinite"},
	{commitlog.ErrConflict, "conflict"},
	{commitlog.ErrConditionFailed, "condition_failed"},
	{projections.ErrHandler, "handler"},
	{projections.ErrFenced, "fenced"},
	{projections.ErrStopTimeout, "stop_timeout"},
	{commitlog.ErrOverloaded, "overloaded"},
	{commitlog.ErrNoStorage, "no_storage"},
	{commitlog.ErrNotEnoughReplicas, "not_enough_replicas"},
	{commitlog.ErrUnavailable, "unavailable"},
	{commitlog.ErrUnknownTopic, "unknown_topic"},
	{commitlog.ErrCorrupt, "corrupt"},
	{commitlog.ErrLogDiverged, "log_diverged"},
	{commitlog.ErrOffsetOutOfRange, "offset_out_of_range"},
	{commitlog.ErrClosed, "closed"},
	{eventstore.ErrUnknownType, "unknown_type"},
	{eventstore.ErrDecode, "decode"},
	{eventstore.ErrNotRegistered, "not_registered"},
	{context.Canceled, "canceled"},
	{context.DeadlineExceeded, "timeout"},
	{commitlog.ErrInvalid, "invalid"},
}

// ordinary are the classes that are answers rather than failures.
var ordinary = map[string]bool{"conflict": true, "condition_failed": true, "refused": true, "canceled": true} //nolint:gochecknoglobals // never written to

// classOf is the class of an error, empty for none.
func classOf(err error) string {
	if err == nil {
		return ""
	}
	for _, c := range classes {
		if errors.Is(err, c.err) {
			return c.name
		}
	}
	return "_OTHER" // as OpenTelemetry has it
}
