package partitioner

// Partition is the partition, from 0 to n-1, of a stream of a topic with n partitions. An n below 1 counts as 1.
func Partition(stream string, n int) int32 {
	return partition(murmur2(key(stream)), n)
}

// PartitionBytes is [Partition] for a name in bytes.
func PartitionBytes(stream []byte, n int) int32 {
	return partition(murmur2(key(stream)), n)
}

// Key is the part of a stream's name that decides its partition: the text in the first pair of braces unless it is empty,
// otherwise the whole name. It is a view into stream.
func Key(stream []byte) []byte { return key(stream) }

func key[T string | []byte](name T) T {
	open := -1
	for i := range len(name) {
		switch {
		case name[i] == '{' && open < 0:
			open = i
		case name[i] == '}' && open >= 0:
			if i == open+1 {
				return name
			}
			return name[open+1 : i]
		}
	}
	return name
}

// partition drops the hash's sign bit, as Kafka's toPositive does, and not the sign: -1 becomes the largest int32.
func partition(hash uint32, n int) int32 {
	return int32((hash & 0x7fffffff) % uint32(max(n, 1)))
}
