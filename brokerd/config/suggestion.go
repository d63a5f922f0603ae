package config

// distanceMax is how many typing errors a suggestion may lie away.
const distanceMax = 3

// suggest returns the candidate that was probably meant by word, or nothing.
func suggest(word string, candidates []string) string {
	best, least := "", distanceMax+1
	for _, c := range candidates {
		if len(word) > len(c)+distanceMax {
			continue
		}
		// A word that differs in half of its letters is another word.
		if d := distance(word, c); d < least && 2*d <= len(c) {
			best, least = c, d
		}
	}
	return best
}

// distance is how many bytes have to be inserted, deleted or replaced to make a into b.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := diagonal
			if a[i] != b[j] {
				cost++
			}
			diagonal = row[j+1]
			row[j+1] = min(cost, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}
