package segment

import "sort"

// markEvery is the distance of marks in bytes: the price of a lookup is reading the headers of so much.
const markEvery = 64 << 10

// mark says that the batch at pos begins with offset.
type mark struct {
	offset, pos int64
}

// marks is a file's sparse index in RAM: its first batch, and then each that begins markEvery bytes or more behind the last mark.
// Elements never change, so a reader may keep the slice while the writer appends.
type marks []mark

func (m marks) add(next mark) marks {
	if len(m) > 0 && next.pos-m[len(m)-1].pos < markEvery {
		return m
	}
	return append(m, next)
}

// around returns the last mark at or before the batch that holds offset, and a place that this batch does not reach beyond:
// the next mark or, behind the last one, the file's size.
func (m marks) around(offset, size int64) (before mark, end int64) {
	i := sort.Search(len(m), func(i int) bool { return m[i].offset > offset })
	if i < len(m) {
		size = m[i].pos
	}
	return m[i-1], size
}
