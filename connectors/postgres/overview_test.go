package postgres_test

import (
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/strandlog/strand/connectors/postgres"
	"github.com/strandlog/strand/internal/pgtest"
	"github.com/strandlog/strand/migrations"
	"github.com/strandlog/strand/projections"
)

func TestList(t *testing.T) {
	if _, err := postgres.NewAdmin(pgtest.Pool(t)).List(t.Context()); !errors.Is(err, migrations.ErrPending) {
		t.Errorf("of an empty database: %v", err)
	}
	if err := postgres.NewAdmin(pgtest.Pool(t)).Pause(t.Context(), projections.ID{Name: "balances", Version: 1}); !errors.Is(err, migrations.ErrPending) {
		t.Errorf("pausing in an empty database: %v", err)
	}
	pool := open(t)
	if all, err := postgres.NewAdmin(pool).List(t.Context()); err != nil || len(all) != 0 {
		t.Errorf("of a new database: %+v, %v", all, err)
	}
	sink := postgres.NewSink(pool)
	first, second := projections.ID{Name: "balances", Version: 1}, projections.ID{Name: "balances", Version: 2}
	source := projections.Source{Topic: "events", TopicID: uuid.New(), LogID: uuid.New()}
	for _, id := range []projections.ID{first, second} {
		if err := sink.Setup(t.Context(), id, func(pgx.Tx) error { return nil }); err != nil {
			t.Fatal(err)
		}
	}
	claim := projections.Claim{Projection: first.Name, Version: first.Version, Topic: source.Topic, TopicID: source.TopicID, LogID: source.LogID, Epoch: 7}
	for claim.Partition = range int32(2) {
		lane, err := sink.Claim(t.Context(), claim)
		if err != nil {
			t.Fatal(err)
		}
		if err := lane.Commit(t.Context(), projections.Mark{Next: 10 + int64(claim.Partition)}, func(pgx.Tx) error {
			parking := lane.(projections.Parking)
			parking.SetAside(
				projections.ParkedEvent{Partition: claim.Partition, Stream: "account-alice", Offset: 3, ID: uuid.New(), Type: "withdrawn", Reason: "no"},
				projections.ParkedEvent{Partition: claim.Partition, Stream: "account-alice", Offset: 5, ID: uuid.New(), Type: "withdrawn"},
				projections.ParkedEvent{Partition: claim.Partition, Stream: "account-bob", Offset: 8, ID: uuid.New(), Type: "withdrawn", Reason: "no", Skipped: true},
			)
			return nil
		}); err != nil {
			t.Fatal(err)
		}
	}
	want := []projections.Overview{
		{ID: first, Source: source, Live: true, Waiting: 4, Skipped: 2, Partitions: []projections.PartitionOverview{{Partition: 0, Next: 10, Epoch: 7}, {Partition: 1, Next: 11, Epoch: 7}}},
		{ID: second},
	}
	all, err := postgres.NewAdmin(pool).List(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, all, cmpopts.IgnoreFields(projections.Overview{}, "Created"), cmpopts.IgnoreFields(projections.PartitionOverview{}, "Updated")); diff != "" {
		t.Error(diff)
	}
	if all[0].Created.IsZero() || all[0].Partitions[0].Updated.IsZero() {
		t.Errorf("no times: %+v", all[0])
	}
}

func TestInspect(t *testing.T) {
	server, err := postgres.Inspect(t.Context(), open(t))
	if err != nil || server.Major < postgres.MajorMin || server.Version == "" || server.Connections < 1 || server.ConnectionsMax <= server.Connections {
		t.Errorf("%+v, %v", server, err)
	}
}

// TestIdleTransactions finds a worker that has begun a commit and does not end it.
func TestIdleTransactions(t *testing.T) {
	pool := open(t)
	lane, err := postgres.NewSink(pool).Claim(t.Context(), projections.Claim{Projection: "balances", Version: 2, Topic: "events", TopicID: uuid.New(), LogID: uuid.New(), Partition: 3, Epoch: 1})
	if err != nil {
		t.Fatal(err)
	}
	if err := lane.Commit(t.Context(), projections.Mark{Next: 1}, func(pgx.Tx) error {
		idle, err := postgres.IdleTransactions(t.Context(), pool, 0)
		if err == nil && (len(idle) != 1 || idle[0].Owner != "strand balances v2 p3" || idle[0].PID == 0) {
			t.Errorf("%+v", idle)
		}
		return err
	}); err != nil {
		t.Fatal(err)
	}
	if idle, err := postgres.IdleTransactions(t.Context(), pool, 0); err != nil || len(idle) > 0 {
		t.Errorf("after it has ended: %+v, %v", idle, err)
	}
}
