package main

// eventTags counts the lines that begin with an Event tag in what is written to it. It shares nothing with the reading of games, so
// that a game which that loses is noticed.
type eventTags struct {
	Count   int
	matched int // bytes of the tag at the beginning of this line; negative: the line is another
}

func (t *eventTags) Write(text []byte) (int, error) {
	const tag = "[Event "
	for _, c := range text {
		switch {
		case c == '\n':
			t.matched = 0
		case t.matched < 0:
		case c == tag[t.matched]:
			if t.matched++; t.matched == len(tag) {
				t.Count++
				t.matched = -1
			}
		case t.matched == 0 && (c == ' ' || c == '\t' || c == 0xef || c == 0xbb || c == 0xbf): // indented, or a byte order mark
		default:
			t.matched = -1
		}
	}
	return len(text), nil
}
