package postgres_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/strandlog/strand/brokerd/brokertest"
	"github.com/strandlog/strand/commitlog"
	"github.com/strandlog/strand/eventstore"
)

// tallyLog is a log of such events, and a database for what they come to.
type tallyLog struct {
	t      *testing.T
	broker string
	client *commitlog.Client
	store  *eventstore.Store
	pool   *pgxpool.Pool
}

func openTallies(t *testing.T) *tallyLog {
	t.Helper()
	nodes := brokertest.Cluster(t, 1)
	l := &tallyLog{t: t, broker: nodes.URLs(), client: nodes.Client(0), pool: open(t)}
	var err error
	if l.store, err = eventstore.Open(t.Context(), l.client, eventstore.Config{Partitions: partitions}, tallies); err != nil {
		t.Fatal(err)
	}
	return l
}

// appendEvents appends the events of [from, to), over so many streams: those of one at once.
func (l *tallyLog) appendEvents(from, to, streams int) {
	l.t.Helper()
	events := map[string][]any{}
	for i := from; i < to; i++ {
		e := added{ID: int64(i), N: int64(1 + i*i%997)}
		if i%20 == 0 {
			e.Colour = []string{"red", "green", "blue"}[i/20%3]
		}
		key := fmt.Sprintf("k%d", i%streams)
		events[key] = append(events[key], e)
	}
	for key, all := range events {
		if _, err := l.store.Append(l.t.Context(), tallies.Stream(key), eventstore.Any, all...); err != nil {
			l.t.Fatal(err)
		}
	}
}

// model is what rows come to, by their keys.
type model map[string]tally

// logged is what the log comes to.
type logged struct {
	streams, colours model
	records          tally            // the number of all, and the sum of their IDs
	keys             map[int64]string // of the streams that events are in, by their IDs
}

// foldLog reads the log without the event store and adds it up, as a version does: all of it, or what each partition has below some offset.
func foldLog(t *testing.T, client *commitlog.Client, version int, below map[int32]int64) logged {
	t.Helper()
	is := logged{streams: model{}, colours: model{"red": {}, "green": {}, "blue": {}}, keys: map[int64]string{}}
	topic, err := client.Topic(t.Context(), "events")
	if err != nil {
		t.Fatal(err)
	}
	for p := range topic.Partitions {
		if below != nil && below[int32(p)] == 0 {
			continue
		}
		for r, err := range client.Records(t.Context(), topic, int32(p), commitlog.Range{To: below[int32(p)]}) {
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
