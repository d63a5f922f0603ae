package partitioner

// Constants of MurmurHash2; the seed is the one that Kafka chose.
const (
	murmurSeed  = 0x9747b28c
	murmurMul   = 0x5bd1e995
	murmurShift = 24
)

// murmur2 is the 32-bit MurmurHash2 of key with Kafka's seed.
func murmur2[T string | []byte](key T) uint32 {
	h := uint32(murmurSeed) ^ uint32(len(key))
	for ; len(key) >= 4; key = key[4:] {
		k := uint32(key[0]) | uint32(key[1])<<8 | uint32(key[2])<<16 | uint32(key[3])<<24
		k *= murmurMul
		k ^= k >> murmurShift
		k *= murmurMul
		h = h*murmurMul ^ k
	}
	if len(key) > 0 {
		for i := len(key) - 1; i >= 0; i-- {
			h ^= uint32(key[i]) << (8 * i)
		}
		h *= murmurMul
	}
	h ^= h >> 13
	h *= murmurMul
	return h ^ h>>15
}
