package groups

import (
	"slices"
)

// nobody stands for no member.
const nobody = -1

// assignor draws targets: which member each partition should go to. Members and topics are numbered from 0, members by seniority.
//
// It is uniform: no chain of moves could make a member with more partitions hand one on, from member to member within their subscriptions, to one
// that has at least two fewer. With equal subscriptions that means that members differ by one partition at most. It is sticky: a partition stays
// where it should be, or else where it is, and moves only as that demands. And it is a function of its input alone.
type assignor struct {
	topics   [][]int // by member: those that it subscribes to, ascending
	members  [][]int // by topic: those that subscribe to it, ascending
	owner    [][]int // by topic and partition: who has it
	target   [][]int // by topic and partition: who should have it
	held     [][]int // by member and place in its topics: how many partitions of it should be the member's
	load     []int   // by member: how many should be
	settled  []bool  // by member: none of its partitions can go where it would be better
	reached  []step  // by member: how the search came to it
	searched []bool  // by topic: the search has been there
}

// step leads from a member that would hand on a partition of a topic.
type step struct{ from, topic int }

// assign draws the targets. target holds those of before, and owner who has each partition; either may name nobody, or members that do not subscribe
// any more. The result is in target, which names a subscriber for every partition of a topic that has any.
func assign(topics, owner, target [][]int) {
	a := &assignor{topics: topics, owner: owner, target: target, members: make([][]int, len(target)), held: make([][]int, len(topics)),
		load: make([]int, len(topics)), settled: make([]bool, len(topics)), reached: make([]step, len(topics)), searched: make([]bool, len(target))}
	for m, topics := range topics {
		a.held[m] = make([]int, len(topics))
		for _, t := range topics {
			a.members[t] = append(a.members[t], m)
		}
	}
	a.keep()
	a.fill()
	a.level()
}

func (a *assignor) subscribes(m, topic int) bool {
	if m == nobody {
		return false
	}
	_, ok := slices.BinarySearch(a.topics[m], topic)
	return ok
}

// give counts a partition of a topic to a member, or n = -1 takes it off.
func (a *assignor) give(m, topic, n int) {
	place, _ := slices.BinarySearch(a.topics[m], topic)
	a.held[m][place] += n
	a.load[m] += n
}

// keep leaves partitions where they should be, or else where they are.
func (a *assignor) keep() {
	for t, targets := range a.target {
		for p, m := range targets {
			if !a.subscribes(m, t) {
				m = a.owner[t][p]
			}
			if !a.subscribes(m, t) {
				m = nobody
			} else {
				a.give(m, t, 1)
			}
			targets[p] = m
		}
	}
}

// fill gives what is left to the subscriber with the least. The fewer can take a topic, the sooner it is given out.
func (a *assignor) fill() {
	order := make([]int, len(a.target))
	for t := range order {
		order[t] = t
	}
	slices.SortStableFunc(order, func(t, u int) int { return len(a.members[t]) - len(a.members[u]) })
	for _, t := range order {
		if len(a.members[t]) == 0 {
			continue
		}
		for p, m := range a.target[t] {
			if m == nobody {
				m = slices.MinFunc(a.members[t], func(m, n int) int { return a.load[m] - a.load[n] })
				a.target[t][p] = m
				a.give(m, t, 1)
			}
		}
	}
}

// level moves partitions while that makes loads more equal. It begins with the member that has the most: if nothing of it can go to one with at
// least two fewer, then neither can anything of those that its partitions could go to, and all of them are done with.
func (a *assignor) level() {
	for {
		from := nobody
		for m, load := range a.load {
			if !a.settled[m] && (from == nobody || load >= a.load[from]) { // of equals the junior one gives
				from = m
			}
		}
		if from == nobody {
			return
		}
		if to := a.search(from); to != nobody {
			a.shift(from, to)
		}
	}
}

// search finds the nearest member with at least two partitions fewer, of equally near ones the one with the least, and notes the way in reached.
// If there is none, it settles whom it has seen.
func (a *assignor) search(from int) int {
	least := a.load[from]
	for m, load := range a.load {
		if !a.settled[m] {
			least = min(least, load)
		}
	}
	for m := range a.reached {
		a.reached[m] = step{from: nobody}
	}
	clear(a.searched)
	a.reached[from].from = from
	seen, level := []int{from}, 0
	for level < len(seen) {
		best, end := nobody, len(seen)
		for ; level < end; level++ {
			m := seen[level]
			for place, t := range a.topics[m] {
				if a.held[m][place] == 0 || a.searched[t] {
					continue
				}
				a.searched[t] = true
				for _, to := range a.members[t] {
					if a.settled[to] || a.reached[to].from != nobody {
						continue
					}
					a.reached[to] = step{m, t}
					seen = append(seen, to)
					if a.load[to]+2 <= a.load[from] && (best == nobody || a.load[to] < a.load[best]) {
						best = to
					}
					if best == to && a.load[to] == least {
						return to
					}
				}
			}
		}
		if best != nobody {
			return best
		}
	}
	for _, m := range seen {
		a.settled[m] = true
	}
	return nobody
}

// shift moves one partition along each step of the way to a member.
func (a *assignor) shift(from, to int) {
	for to != from {
		s := a.reached[to]
		a.target[s.topic][a.choose(s.topic, s.from, to)] = to
		a.give(s.from, s.topic, -1)
		a.give(to, s.topic, 1)
		to = s.from
	}
}

// choose picks the partition that a member hands on: best one that the other has already, else one that it does not have itself, else the last.
func (a *assignor) choose(topic, from, to int) int {
	best, rank := 0, -1
	for p, m := range a.target[topic] {
		if m != from {
			continue
		}
		r := 0
		switch a.owner[topic][p] {
		case to:
			r = 2
		case from:
		default:
			r = 1
		}
		if r >= rank {
			best, rank = p, r
		}
	}
	return best
}
