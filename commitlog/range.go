package commitlog

// Range says which records of a partition to read. The zero value is everything that the partition holds, from its offset 0 on.
type Range struct {
	From int64
	To   int64 // exclusive; 0: the end
	Live bool  // wait for records that are yet to be appended: without To the sequence ends only with its context
}
