package groups

import (
	"testing"
	"time"

	"pgregory.net/rapid"
)

// TestModel lets processes join, work, change their minds, stop, freeze and die, loses, repeats and delays what they send, for however long, and lets
// coordinators fail in between. Every turn is judged, also by what the processes really do; once all faults have ended, all must come to rest.
func TestModel(t *testing.T) {
	checks(t, 10000)
	steps(t, 60)
	stats := map[string]int{}
	rapid.Check(t, func(t *rapid.T) {
		w := newWorld(stats)
		must := func(err error) {
			if err != nil {
				t.Fatal(err)
			}
		}
		pick := func(t *rapid.T, n int) int {
			if n == 0 {
				t.Skip("nothing there")
			}
			return rapid.IntRange(0, n-1).Draw(t, "which")
		}
		awake := func(t *rapid.T) *process {
			p := w.processes[pick(t, len(w.processes))]
			if !p.awake() {
				t.Skip("not awake")
			}
			return p
		}
		topics := func(t *rapid.T) []Topic {
			all := [][]Topic{{{named("t"), 4}}, {{named("t"), 4}, {named("u"), 3}}, {{named("u"), 3}}}
			return all[rapid.SampledFrom([]int{0, 0, 1, 2}).Draw(t, "topics")]
		}
		start := func(t *rapid.T) {
			w.start(rapid.SampledFrom([]string{"", "", "a", "b"}).Draw(t, "instance"), topics(t),
				time.Duration(rapid.IntRange(2, 6).Draw(t, "session"))*time.Second, time.Duration(rapid.IntRange(2, 6).Draw(t, "rebalance"))*time.Second)
		}
		for range rapid.IntRange(0, 3).Draw(t, "processes") {
			start(t)
			must(w.round())
		}
		t.Repeat(map[string]func(*rapid.T){
			"start": func(t *rapid.T) {
				if len(w.processes) >= 6 {
					t.Skip("enough")
				}
				start(t)
			},
			"beat": func(t *rapid.T) {
				p := awake(t)
				w.send(p, p.beat())
			},
			"commit": func(t *rapid.T) {
				p := awake(t)
				at := p.working()
				w.send(p, p.commit(at[pick(t, len(at))], rapid.Int64Range(0, 3).Draw(t, "records")))
			},
			"subscribe": func(t *rapid.T) { awake(t).topics = topics(t) },
			"finish": func(t *rapid.T) {
				p := awake(t)
				at := p.stopping()
				p.finish(at[pick(t, len(at))])
			},
			"pause": func(t *rapid.T) { awake(t).paused = true },
			"resume": func(t *rapid.T) {
				w.processes[pick(t, len(w.processes))].paused = false
			},
			"kill": func(t *rapid.T) { awake(t).ended = true },
			"leave": func(t *rapid.T) {
				p := awake(t)
				clear(p.running)
				p.ended = true
				w.send(p, Leave{Member: p.id, Instance: p.instance, Returns: p.instance != "" && rapid.Bool().Draw(t, "returns")})
			},
			"reset": func(t *rapid.T) {
				at := Partition{named("t"), rapid.Int32Range(0, 3).Draw(t, "partition")}
				w.send(nil, ResetOffsets{Force: rapid.Bool().Draw(t, "force"), Offsets: []Offset{{Partition: at, Offset: rapid.Int64Range(-1, 5).Draw(t, "offset")}}})
			},
			"delete":       func(*rapid.T) { w.send(nil, Delete{}) },
			"arrive":       func(t *rapid.T) { w.arrive(pick(t, len(w.requests)), false) },
			"arrive twice": func(t *rapid.T) { w.arrive(pick(t, len(w.requests)), true) },
			"arrive late":  func(t *rapid.T) { w.late(pick(t, len(w.sent))) },
			"lose": func(t *rapid.T) {
				i := pick(t, len(w.requests))
				w.requests = append(w.requests[:i:i], w.requests[i+1:]...)
			},
			"turn": func(t *rapid.T) {
				if w.open != nil {
					t.Skip("one is open")
				}
				must(w.turn())
			},
			"store": func(t *rapid.T) {
				if w.open == nil {
					t.Skip("none is open")
				}
				must(w.store())
			},
			"refuse": func(t *rapid.T) {
				if w.open == nil {
					t.Skip("none is open")
				}
				must(w.refuse())
			},
			"failover": func(t *rapid.T) {
				must(w.failover(rapid.Bool().Draw(t, "landed")))
				stats["failover"]++
			},
			"hear": func(t *rapid.T) { must(w.hear(pick(t, len(w.replies)))) },
			"lose an answer": func(t *rapid.T) {
				i := pick(t, len(w.replies))
				w.replies = append(w.replies[:i:i], w.replies[i+1:]...)
			},
			"clock": func(t *rapid.T) {
				w.now = w.now.Add(time.Duration(rapid.IntRange(1, 2500).Draw(t, "ms")) * time.Millisecond)
			},
			"flow":  func(*rapid.T) { must(w.flow()) },
			"round": func(*rapid.T) { must(w.round()) },
			"":      func(*rapid.T) { must(w.working()) },
		})
		must(w.heal(rapid.SliceOfN(rapid.IntRange(0, 1000), 0, 6).Draw(t, "copies")))
	})
	t.Logf("%v", stats)
	for _, name := range []string{"expired", "moved", "committed", "fenced commit", "failover", "ghost",
		"late groups.Join", "late groups.Heartbeat", "late groups.Leave", "late groups.CommitOffsets", "late groups.ResetOffsets", "late groups.Delete"} {
		if stats[name] == 0 {
			t.Errorf("no schedule led to %q: the model does not reach what it is for", name)
		}
	}
}
