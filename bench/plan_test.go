package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/strandlog/strand/bench/workload"
)

func TestChoose(t *testing.T) {
	rows := []row{
		{name: "append/1w", columns: []column{{}}},
		{name: "append/1w/p8", columns: []column{{}}},
		{name: "restart", columns: []column{{suffix: "/time"}, {suffix: "/rss"}}},
	}
	for pattern, want := range map[string][]string{
		"":           {"append/1w", "append/1w/p8", "restart"},
		"append":     {"append/1w", "append/1w/p8"},
		"append/1w$": {"append/1w"},
		"rss":        {"restart"},
		"^rss":       nil,
	} {
		var got []string
		for _, r := range choose(rows, regexp.MustCompile(pattern)) {
			got = append(got, r.name)
		}
		if !slices.Equal(got, want) {
			t.Errorf("%q chose %q, not %q", pattern, got, want)
		}
	}
}

func TestSchedule(t *testing.T) {
	rows := []row{
		{name: "a", group: "g", peers: []string{"x", "y"}},
		{name: "b", peers: []string{"x"}, slow: true},
		{name: "c", group: "g"},
	}
	var got []string
	for _, turn := range schedule(rows, 4, func(system string) bool { return system != "y" }) {
		got = append(got, fmt.Sprint(turn.row.name, turn.round, turn.system))
	}
	want := []string{
		"a0strand", "a0x", "c0strand", "a1strand", "a1x", "c1strand", "a2strand", "a2x", "c2strand", "a3strand", "a3x", "c3strand",
		"b0strand", "b0x", "b1strand", "b1x", "b2strand", "b2x",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestBudget(t *testing.T) {
	now := time.Now()
	for _, of := range []struct {
		name     string
		budget   budget
		runsLeft int
		want     time.Duration
	}{
		{"no limit", budget{most: time.Second}, 100, time.Second},
		{"a fair share", budget{deadline: now.Add(10 * time.Second), most: time.Second}, 10, 700 * time.Millisecond},
		{"not more than most", budget{deadline: now.Add(10 * time.Second), most: time.Second}, 1, time.Second},
		{"too late", budget{deadline: now.Add(-time.Second), most: time.Second}, 1, shortest},
	} {
		if got := of.budget.share(now, of.runsLeft); got != of.want {
			t.Errorf("%s: %s, not %s", of.name, got, of.want)
		}
	}
}

func TestMedian(t *testing.T) {
	for _, of := range []struct {
		values []float64
		want   float64
	}{
		{[]float64{3}, 3},
		{[]float64{9, 1, 2}, 2},
		{[]float64{4, 1, 3, 2}, 2.5},
	} {
		if got := median(of.values); got != of.want {
			t.Errorf("the median of %v is %v, not %v", of.values, got, of.want)
		}
	}
}

func TestVerdict(t *testing.T) {
	all := figures{
		{Bench: "b", System: ours, Value: 30},
		{Bench: "b", System: "x", Value: 10},
		{Bench: "other", System: ours, Value: 60},
		{Bench: "b", System: "y", Skipped: "not installed"},
	}
	for _, of := range []struct {
		target target
		want   string
	}{
		{target{system: "x", limit: 3}, "met: 3 of >= 3x x"},
		{target{system: "x", limit: 4}, "MISSED: 3 of >= 4x x"},
		{target{system: "x", limit: 3, atMost: true}, "met: 3 of <= 3x x"},
		{target{bench: "other", system: ours, limit: 0.6}, "MISSED: 0.5 of >= 0.6x strand other"},
		{target{limit: 20, atMost: true}, "MISSED: 30 of <= 20"},
		{target{system: "y", limit: 1}, ""},
		{target{system: "z", limit: 1}, ""},
	} {
		if got, _ := of.target.verdict("b", all); got != of.want {
			t.Errorf("%+v: %q, not %q", of.target, got, of.want)
		}
	}
}

func TestJSONLine(t *testing.T) {
	name := filepath.Join(t.TempDir(), "figures.json")
	err := writeJSON(name, figures{
		{Bench: "append/cond/64w", System: ours, Value: 152340, Unit: "events/s", Runs: []float64{1, 152340, 200000}, Note: "R1 fsync tcp 256B"},
		{Bench: "append/cond/64w", System: "x", Unit: "events/s", Skipped: "a < b"},
	})
	if err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	want := `{"bench":"append/cond/64w","system":"strand","value":152340,"unit":"events/s","runs":[1,152340,200000],"note":"R1 fsync tcp 256B"}
{"bench":"append/cond/64w","system":"x","value":0,"unit":"events/s","runs":null,"note":"","skipped":"a < b"}
`
	if diff := cmp.Diff(want, string(got)); diff != "" {
		t.Error(diff)
	}
}

// scripted is a system that answers with what was written down for it.
type scripted struct {
	values  []float64
	failure error
}

func (s *scripted) run(context.Context, turn, workload.Task) (workload.Result, error) {
	if len(s.values) == 0 {
		return workload.Result{}, s.failure
	}
	value := s.values[0]
	s.values = s.values[1:]
	return workload.Result{Values: []float64{value}, Note: fmt.Sprint("run of ", value)}, nil
}

func (s *scripted) close() error { return nil }

func TestMeasure(t *testing.T) {
	rows := []row{{name: "b", peers: []string{"good", "absent"}, columns: []column{{unit: "events/s", targets: []target{{system: "good", limit: 2}}}}}}
	p := plan{rows: rows, systems: regexp.MustCompile(""), rounds: 3, share: time.Second}
	var progress, table bytes.Buffer
	got, err := p.measure(t.Context(), systems{
		ours:     &scripted{values: []float64{10, 30, 20}},
		"good":   &scripted{values: []float64{1, 2, 8}},
		"absent": &scripted{values: []float64{7}, failure: &absentError{"it fell over"}},
	}, &progress)
	if err != nil {
		t.Fatal(err)
	}
	want := figures{
		{Bench: "b", System: ours, Value: 20, Unit: "events/s", Runs: []float64{10, 30, 20}, Note: "run of 20"},
		{Bench: "b", System: "good", Value: 2, Unit: "events/s", Runs: []float64{1, 2, 8}, Note: "run of 2"},
		{Bench: "b", System: "absent", Unit: "events/s", Skipped: "it fell over"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if err := writeTable(&table, "heading", rows, got); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"20  10..30", "strand is 10x", "absent  skipped: it fell over", "target met: 10 of >= 2x good"} {
		if !strings.Contains(table.String(), want) {
			t.Errorf("the table lacks %q:\n%s", want, &table)
		}
	}
	failed := errors.New("no disk")
	if _, err := p.measure(t.Context(), systems{ours: &scripted{failure: failed}}, &progress); !errors.Is(err, failed) {
		t.Errorf("a failure of ours ended in %v", err)
	}
}
