package groups

import (
	"flag"
	"fmt"
	"slices"
	"strconv"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// draft is the input of assign, and its result.
type draft struct {
	subscriptions [][]int
	owner, target [][]int
}

func (d draft) clone() draft {
	c := draft{subscriptions: d.subscriptions}
	for t := range d.target {
		c.owner, c.target = append(c.owner, slices.Clone(d.owner[t])), append(c.target, slices.Clone(d.target[t]))
	}
	return c
}

func (d draft) assign() draft {
	c := d.clone()
	assign(c.subscriptions, c.owner, c.target)
	return c
}

// reached is the state when everybody has what it should have.
func (d draft) reached() draft {
	c := d.clone()
	for t := range c.target {
		copy(c.owner[t], c.target[t])
	}
	return c
}

func (d draft) loads() []int {
	loads := make([]int, len(d.subscriptions))
	for _, targets := range d.target {
		for _, m := range targets {
			if m != nobody {
				loads[m]++
			}
		}
	}
	return loads
}

// moves counts the partitions that go to another member than they should have gone before.
func moves(before, after draft) (n int) {
	for t := range after.target {
		for p := range after.target[t] {
			if before.target[t][p] != after.target[t][p] {
				n++
			}
		}
	}
	return n
}

// drawDraft draws members, topics and what was before, which may be anything.
func drawDraft(t *rapid.T, membersMax, topicsMax, partitionsMax int, uniform bool) draft {
	d := draft{subscriptions: make([][]int, rapid.IntRange(1, membersMax).Draw(t, "members"))}
	topics := rapid.IntRange(1, topicsMax).Draw(t, "topics")
	for m := range d.subscriptions {
		for topic := range topics {
			if uniform || rapid.Bool().Draw(t, "subscribes") {
				d.subscriptions[m] = append(d.subscriptions[m], topic)
			}
		}
	}
	somebody := rapid.IntRange(nobody, len(d.subscriptions)-1)
	for range topics {
		n := rapid.IntRange(1, partitionsMax).Draw(t, "partitions")
		d.owner = append(d.owner, rapid.SliceOfN(somebody, n, n).Draw(t, "owner"))
		d.target = append(d.target, rapid.SliceOfN(somebody, n, n).Draw(t, "target"))
	}
	return d
}

// verify holds for every result.
func (d draft) verify(before draft) error {
	for topic, targets := range d.target {
		var subscribers []int
		for m, topics := range d.subscriptions {
			if slices.Contains(topics, topic) {
				subscribers = append(subscribers, m)
			}
		}
		for p, m := range targets {
			if len(subscribers) == 0 && m != nobody || len(subscribers) > 0 && !slices.Contains(subscribers, m) {
				return fmt.Errorf("partition %d of topic %d goes to %d, its subscribers are %v", p, topic, m, subscribers)
			}
		}
	}
	if diff := cmp.Diff(before.owner, d.owner); diff != "" {
		return fmt.Errorf("owners changed:\n%s", diff)
	}
	if again := d.assign(); moves(d, again) > 0 {
		return fmt.Errorf("drawn again, %v becomes %v", d.target, again.target)
	}
	if again := d.reached().assign(); moves(d, again) > 0 {
		return fmt.Errorf("drawn again when it is reached, %v becomes %v", d.target, again.target)
	}
	if again := before.assign(); moves(d, again) > 0 {
		return fmt.Errorf("drawn twice: %v and %v", d.target, again.target)
	}
	return nil
}

// TestUniformSubscriptions: where all want the same, loads differ by one at most, and as much stays as that permits.
func TestUniformSubscriptions(t *testing.T) {
	checks(t, 2000)
	rapid.Check(t, func(t *rapid.T) {
		before := drawDraft(t, 12, 3, 8, true)
		after := before.assign()
		if err := after.verify(before); err != nil {
			t.Fatal(err)
		}
		loads := after.loads()
		if slices.Max(loads)-slices.Min(loads) > 1 {
			t.Fatalf("loads %v", loads)
		}
		// What must move: whatever members should have had beyond their due, of whom those with the most may keep one more; and what nobody should have had.
		kept := before.loads()
		total, free := 0, 0
		for topic := range before.target {
			total += len(before.target[topic])
			for p, m := range before.target[topic] {
				if m == nobody {
					if free++; before.owner[topic][p] != nobody { // it stays where it is, if that is possible
						kept[before.owner[topic][p]]++
					}
				}
			}
		}
		slices.SortFunc(kept, func(a, b int) int { return b - a })
		least := free
		for i, load := range kept {
			due := total / len(kept)
			if i < total%len(kept) {
				due++
			}
			least += max(load-due, 0)
		}
		if n := moves(before, after); n > least {
			t.Fatalf("%d moves, %d suffice:\n%v\n%v", n, least, before, after.target)
		}
	})
}

// TestMixedSubscriptions compares with all ways to assign there are: none is more even.
func TestMixedSubscriptions(t *testing.T) {
	checks(t, 2000)
	unequal := 0
	rapid.Check(t, func(t *rapid.T) {
		before := drawDraft(t, 4, 3, 2, false)
		after := before.assign()
		if err := after.verify(before); err != nil {
			t.Fatal(err)
		}
		best := before.leastSquares(make([]int, len(before.subscriptions)), 0, 0)
		got := 0
		for _, load := range after.loads() {
			got += load * load
		}
		if got != best {
			t.Fatalf("loads %v: their squares are %d, could be %d:\n%v\n%v", after.loads(), got, best, before, after.target)
		}
		if loads := after.loads(); slices.Max(loads)-slices.Min(loads) > 1 {
			unequal++
		}
	})
	if unequal == 0 {
		t.Error("no case in which the subscriptions forbid equal loads")
	}
}

// leastSquares tries everything.
func (d draft) leastSquares(loads []int, topic, p int) int {
	if topic == len(d.target) {
		sum := 0
		for _, load := range loads {
			sum += load * load
		}
		return sum
	}
	if p == len(d.target[topic]) {
		return d.leastSquares(loads, topic+1, 0)
	}
	best := -1
	for m, topics := range d.subscriptions {
		if !slices.Contains(topics, topic) {
			continue
		}
		loads[m]++
		if sum := d.leastSquares(loads, topic, p+1); best < 0 || sum < best {
			best = sum
		}
		loads[m]--
	}
	if best < 0 { // nobody wants it
		return d.leastSquares(loads, topic, p+1)
	}
	return best
}

// TestComingAndGoing: a newcomer takes and the others keep what they do not hand to it, one who goes leaves what it had and the others keep all they
// had. With more members than partitions the senior ones stay active.
func TestComingAndGoing(t *testing.T) {
	checks(t, 1000)
	rapid.Check(t, func(t *rapid.T) {
		d := drawDraft(t, 12, 3, 8, true).assign().reached()
		n := len(d.subscriptions)
		more := d.clone()
		more.subscriptions = append(slices.Clone(d.subscriptions), d.subscriptions[0])
		after := more.assign()
		for topic := range after.target {
			for p, m := range after.target[topic] {
				if m != n && m != d.target[topic][p] {
					t.Fatalf("as member %d comes, partition %d of topic %d goes from %d to %d", n, p, topic, d.target[topic][p], m)
				}
			}
		}
		gone := rapid.IntRange(0, n-1).Draw(t, "gone")
		fewer := d.clone()
		fewer.subscriptions = slices.Clone(d.subscriptions)
		fewer.subscriptions[gone] = nil
		after = fewer.assign()
		for topic := range after.target {
			for p, m := range after.target[topic] {
				if was := d.target[topic][p]; m != was && was != gone {
					t.Fatalf("as member %d goes, partition %d of topic %d goes from %d to %d", gone, p, topic, was, m)
				}
			}
		}
	})
}

// TestHandedOn: members that share no topic level out by way of one that has both.
func TestHandedOn(t *testing.T) {
	d := draft{
		subscriptions: [][]int{{0}, {0, 1}, {1}},
		owner:         [][]int{{0, 0, 0, 0}, {1, 1}},
		target:        [][]int{{0, 0, 0, 0}, {1, 1}},
	}.assign()
	if want := [][]int{{0, 0, 1, 1}, {2, 2}}; !cmp.Equal(want, d.target) {
		t.Errorf("got %v, want %v", d.target, want)
	}
}

// TestCheapMoves: of the partitions that a member could hand on it hands on those that it has not got yet, best to who has them.
func TestCheapMoves(t *testing.T) {
	d := draft{
		subscriptions: [][]int{{0}, {0}, {0}},
		owner:         [][]int{{0, 2, 1, 0, 1, 1}},
		target:        [][]int{{0, 0, 0, 0, 1, 1}},
	}.assign()
	if want := [][]int{{0, 2, 2, 0, 1, 1}}; !cmp.Equal(want, d.target) {
		t.Errorf("got %v, want %v", d.target, want)
	}
}

// TestStaysWhereItIs: a partition whose target is gone stays where it is, if there it may.
func TestStaysWhereItIs(t *testing.T) {
	d := draft{
		subscriptions: [][]int{{0}, {0}, {}},
		owner:         [][]int{{1, 1, 0, 0, 2}},
		target:        [][]int{{-1, 2, 2, -1, 2}},
	}.assign()
	if want := [][]int{{1, 1, 0, 0, 0}}; !cmp.Equal(want, d.target) {
		t.Errorf("got %v, want %v", d.target, want)
	}
}

// TestTopicsAreSpread: members that come together share each topic.
func TestTopicsAreSpread(t *testing.T) {
	d := draft{
		subscriptions: [][]int{{0, 1}, {0, 1}},
		owner:         [][]int{{-1, -1, -1, -1}, {-1, -1, -1, -1}},
		target:        [][]int{{-1, -1, -1, -1}, {-1, -1, -1, -1}},
	}.assign()
	if want := [][]int{{0, 1, 0, 1}, {0, 1, 0, 1}}; !cmp.Equal(want, d.target) {
		t.Errorf("got %v, want %v", d.target, want)
	}
}

// BenchmarkAssign draws targets at the limits: half of the members went, as many came.
func BenchmarkAssign(b *testing.B) {
	for name, distinct := range map[string]bool{"uniform": false, "mixed": true} {
		b.Run(name, func(b *testing.B) {
			d := draft{subscriptions: make([][]int, MembersMax), owner: make([][]int, TopicsMax), target: make([][]int, TopicsMax)}
			for m := range d.subscriptions {
				for t := range TopicsMax {
					if !distinct || (m+t)%3 > 0 {
						d.subscriptions[m] = append(d.subscriptions[m], t)
					}
				}
			}
			for t := range TopicsMax {
				d.owner[t] = make([]int, PartitionsMax/TopicsMax)
				d.target[t] = make([]int, PartitionsMax/TopicsMax)
				for p := range d.target[t] {
					d.target[t][p] = (t*len(d.target[t]) + p) % (MembersMax / 2)
				}
			}
			for b.Loop() {
				d.assign()
			}
		})
	}
}

// checks asks for n cases, and steps for about n steps in each, unless the command line asks for more.
func checks(t *testing.T, n int) { atLeast(t, "rapid.checks", n) }
func steps(t *testing.T, n int)  { atLeast(t, "rapid.steps", n) }

func atLeast(t *testing.T, name string, n int) {
	t.Helper()
	f := flag.Lookup(name)
	before := f.Value.String()
	t.Cleanup(func() { _ = f.Value.Set(before) })
	if have, err := strconv.Atoi(before); err != nil || have >= n {
		return
	}
	if err := f.Value.Set(strconv.Itoa(n)); err != nil {
		t.Fatal(err)
	}
}
