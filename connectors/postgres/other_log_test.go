package postgres_test

import (
	"errors"
	"testing"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/strandlog/strand/connectors/postgres"
	"github.com/strandlog/strand/projections"
)

// TestAnotherLog has a projection that was reset follow a log whose epochs begin anew: they are lower than those of the former log.
func TestAnotherLog(t *testing.T) {
	sink := postgres.NewSink(open(t))
	nothing := func(pgx.Tx) error { return nil }
	former := projections.Claim{Projection: "p", Version: 1, Topic: "events", TopicID: uuid.New(), LogID: uuid.New(), Epoch: 7}
	old, err := sink.Claim(t.Context(), former)
	if err != nil {
		t.Fatal(err)
	}
	later := former
	later.LogID, later.Epoch = uuid.New(), 1
	if _, err := sink.Claim(t.Context(), later); !errors.Is(err, projections.ErrLogDiverged) {
		t.Errorf("another log was claimed: %v", err)
	}
	if err := sink.Reset(t.Context(), former.ID()); err != nil {
		t.Fatal(err)
	}
	lane, err := sink.Claim(t.Context(), later)
	if err != nil {
		t.Fatal(err)
	}
	if err := old.Commit(t.Context(), projections.Mark{Next: 1}, nothing); !errors.Is(err, projections.ErrFenced) {
		t.Errorf("a lane of the former log committed: %v", err)
	}
	if err := lane.Commit(t.Context(), projections.Mark{Next: 1}, nothing); err != nil {
		t.Fatal(err)
	}
	// Of one log, the epochs stay.
	if err := sink.Reset(t.Context(), former.ID()); err != nil {
		t.Fatal(err)
	}
	earlier := later
	earlier.Epoch = 0
	if _, err := sink.Claim(t.Context(), earlier); !errors.Is(err, projections.ErrFenced) {
		t.Errorf("a lower epoch of the same log was claimed: %v", err)
	}
}
