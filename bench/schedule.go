package main

// turn is one run of one row on one system.
type turn struct {
	row    row
	system string
	round  int
}

// schedule puts the runs in order: group after group, and within a group round after round, so that the systems alternate and what changes on the
// machine meanwhile is the same for all.
func schedule(rows []row, rounds int, takesPart func(system string) bool) []turn {
	var groups [][]row
	place := map[string]int{}
	for _, r := range rows {
		name := r.group
		if name == "" {
			name = r.name
		}
		at, known := place[name]
		if !known {
			at = len(groups)
			place[name] = at
			groups = append(groups, nil)
		}
		groups[at] = append(groups[at], r)
	}
	var turns []turn
	for _, group := range groups {
		for round := range rounds {
			for _, r := range group {
				if r.slow && round >= slowRounds {
					continue
				}
				for _, system := range append([]string{ours}, r.peers...) {
					if takesPart(system) {
						turns = append(turns, turn{row: r, system: system, round: round})
					}
				}
			}
		}
	}
	return turns
}

// slowRounds is how often a slow row is run: the fewest that have a median.
const slowRounds = 3
