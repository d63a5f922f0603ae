package workload

import (
	"math/rand/v2"
	"slices"
)

// Writers is how many loops write a scattered data set at once, where they wait for each answer.
const Writers = 512

// Scatter is a data set of streams of 10, of 100 and of 1000 events, a third of the events each, written interleaved.
type Scatter struct {
	// Order holds for each writer the streams of its events, in order. A stream has one writer.
	Order [][]int
	// ByLength holds the streams of each length.
	ByLength map[int][]int
	// Streams is how many there are; Events how many events they have.
	Streams, Events int
}

// NewScatter lays out about this many events. It is the same in every process.
func NewScatter(events int) Scatter {
	s := Scatter{Order: make([][]int, Writers), ByLength: map[int][]int{}}
	for _, length := range []int{10, 100, 1000} {
		for range max(events/3/length, 1) {
			stream := s.Streams
			s.Streams++
			s.Events += length
			s.ByLength[length] = append(s.ByLength[length], stream)
			// The long streams alone would leave most writers without work at the end.
			writer := (stream * 7919) % Writers
			s.Order[writer] = append(s.Order[writer], slices.Repeat([]int{stream}, length)...)
		}
	}
	random := rand.New(rand.NewPCG(1, 2))
	for _, order := range s.Order {
		random.Shuffle(len(order), func(i, j int) { order[i], order[j] = order[j], order[i] })
	}
	return s
}

// All yields the streams of all events in the order in which a single writer writes them: one of each writer's in turn.
func (s Scatter) All(yield func(stream int) bool) {
	for i, left := 0, s.Events; left > 0; i++ {
		for _, order := range s.Order {
			if i < len(order) {
				left--
				if !yield(order[i]) {
					return
				}
			}
		}
	}
}
