package commitlog

import "math"

// Earliest is, as the From of a Range, the offset where the partition starts, whatever it is by then: what was deleted is not read.
const Earliest int64 = math.MinInt64

// Latest is, as the From of a Range, the offset where the partition ends when the read begins: only what is stored later is read.
const Latest int64 = math.MinInt64 + 1

// Range says which records of a partition to read. The zero value is everything from offset 0 on, which a partition whose first records were deleted
// does not hold: begin at Earliest there.
type Range struct {
	From int64 // an offset that the partition holds, its end, Earliest or Latest; OffsetAt finds that of a time
	To   int64 // exclusive; 0: the end
	Live bool  // wait for records that are yet to be appended: without To the sequence ends only with its context
}
