package postgres_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/strandlog/strand/commitlog"
)

// model is what rows come to, by their keys.
type model map[string]tally

// logged is what the log comes to.
type logged struct {
	streams, colours model
	records          tally            // the number of all, and the sum of their IDs
	keys             map[int64]string // of the streams that events are in, by their IDs
}

// foldLog reads the log without the event store and adds it up, as a version does.
func foldLog(t *testing.T, client *commitlog.Client, version int) logged {
	t.Helper()
	is := logged{streams: model{}, colours: model{"red": {}, "green": {}, "blue": {}}, keys: map[int64]string{}}
	topic, err := client.Topic(t.Context(), "events")
	if err != nil {
		t.Fatal(err)
	}
	for p := range topic.Partitions {
		for r, err := range client.Records(t.Context(), topic, int32(p), commitlog.Range{}) {
			if err != nil {
				t.Fatal(err)
			}
			var e added
			if err := json.Unmarshal(r.Value, &e); err != nil {
				t.Fatal(err)
			}
			if _, twice := is.keys[e.ID]; twice {
				t.Errorf("event %d is in the log twice", e.ID)
			}
			key := strings.TrimPrefix(string(r.Key), "tally-")
			is.keys[e.ID] = key
			is.records.Count++
			is.records.Sum += e.ID
			row := is.streams[key]
			row.Count, row.Sum, row.Chain = row.Count+1, row.Sum+e.N, (row.Chain*base(version)+e.N)%1_000_000_007
			is.streams[key] = row
			if e.Colour != "" {
				row := is.colours[e.Colour]
				row.Count, row.Sum = row.Count+1, row.Sum+e.N
				is.colours[e.Colour] = row
			}
		}
	}
	return is
}

// readModel reads rows: a key, and a tally.
func readModel(t *testing.T, pool *pgxpool.Pool, sql string) model {
	t.Helper()
	all := model{}
	rows, err := pool.Query(t.Context(), sql)
	if err != nil {
		t.Fatal(err)
	}
	var key string
	var row tally
	if _, err := pgx.ForEachRow(rows, []any{&key, &row.Count, &row.Sum, &row.Chain}, func() error { all[key] = row; return nil }); err != nil {
		t.Fatal(err)
	}
	return all
}
