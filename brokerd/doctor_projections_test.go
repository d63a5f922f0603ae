package main

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"github.com/strandlog/strand/commitlog"
	"github.com/strandlog/strand/connectors/postgres"
	"github.com/strandlog/strand/projections"
)

// projected makes a version whose partitions are at some offsets of a topic.
func projected(name string, version int, live bool, t commitlog.Topic, next ...int64) projections.Overview {
	o := projections.Overview{ID: projections.ID{Name: name, Version: version}, Live: live, Source: projections.Source{Topic: t.Name, TopicID: t.ID, LogID: t.LogID}}
	for i, n := range next {
		o.Partitions = append(o.Partitions, projections.PartitionOverview{Partition: int32(i), Next: n})
	}
	return o
}

func TestDoctorExaminesServers(t *testing.T) {
	for _, test := range []struct {
		server postgres.Server
		want   []string
	}{
		{postgres.Server{Version: "15.4", Major: 15, Connections: 40, ConnectionsMax: 97}, []string{"ok database shop: PostgreSQL 15.4", "ok database shop: 57 of 97 connections are left"}},
		{postgres.Server{Version: "12.1", Major: 12, Connections: 90, ConnectionsMax: 97}, []string{"error database shop: PostgreSQL 12.1", "warning database shop: 7 of 97 connections are left"}},
		{postgres.Server{Version: "13.0", Major: 13, Connections: 99, ConnectionsMax: 97}, []string{"ok database shop: PostgreSQL 13.0", "error database shop: 0 of 97 connections are left"}},
	} {
		if diff := cmp.Diff(test.want, shown(t, examineServer("shop", test.server))); diff != "" {
			t.Error(diff)
		}
	}
	idle := []postgres.IdleTransaction{{PID: 17, Owner: "strand balances v2 p3", Idle: 7 * time.Second}}
	want := []string{"warning database shop: strand balances v2 p3 has done nothing in its transaction for 7.0s (process 17)"}
	if diff := cmp.Diff(want, shown(t, examineIdle("shop", idle))); diff != "" {
		t.Error(diff)
	}
}

func TestDoctorExaminesProjections(t *testing.T) {
	events := serving("events", [2]int64{0, 10}, [2]int64{0, 10}, [2]int64{5, 10})
	events.LogID = uuid.New()
	topics := []commitlog.Topic{serving("clicks"), events}
	restored := projected("restored", 1, true, events)
	restored.Source.LogID = uuid.New()
	parked := projected("parked", 1, true, events, 10, 10, 10)
	parked.Waiting, parked.Skipped = 3, 7
	all := []projections.Overview{
		projected("balances", 1, false, events, 2, 2, 2), // which was before the live one
		projected("balances", 2, true, events, 10, 10, 10),
		projected("balances", 3, false, events, 10, 4), // which is to come
		projected("gone", 1, true, serving("gone"), 3),
		{ID: projections.ID{Name: "new", Version: 1}},
		parked,
		restored,
	}
	late, strangers := examineBehind(all, topics)
	want := []string{
		`error projection gone v1: topic "gone" does not exist`,
		`error projection restored v1: its checkpoint belongs to the log of topic "events" as it was before that was restored`,
	}
	if diff := cmp.Diff(want, shown(t, strangers)); diff != "" {
		t.Error(diff)
	}
	want = []string{"warning projection parked v1: 3 parked events: its read model lacks their effects"}
	if diff := cmp.Diff(want, shown(t, examineParked(all, ""))); diff != "" {
		t.Error(diff)
	}
	for _, test := range []struct {
		now  []projections.Overview
		want []string
	}{
		{all, []string{"warning projection balances v3: it has made no progress for 5.0s or more in partitions 1-2, and has 11 records to project"}},
		{[]projections.Overview{projected("balances", 3, false, events, 10, 5)}, []string{"warning projection balances v3: it has made no progress for 5.0s or more in partition 2, and has 11 records to project"}},
		{[]projections.Overview{projected("balances", 3, false, events, 10, 5, 6)}, nil},
		{nil, nil}, // it was removed meanwhile
	} {
		if diff := cmp.Diff(test.want, shown(t, examineStalled(late, test.now, 5*time.Second, ""))); diff != "" {
			t.Error(diff)
		}
	}
}
