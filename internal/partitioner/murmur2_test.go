package partitioner

import "testing"

// TestMurmur2 holds the vectors of Kafka's own test, UtilsTest.testMurmur2, and digits hashed by Kafka that
// Akka is tested with. Between them they have every length modulo 4.
func TestMurmur2(t *testing.T) {
	tests := map[string]int32{
		"21":                         -973932308,
		"foobar":                     -790332482,
		"a-little-bit-long-string":   -985981536,
		"a-little-bit-longer-string": -1486304829,
		"lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8": -58897971,
		"abc":   479470107,
		"1":     -1993445489,
		"12":    126087238,
		"123":   -267702483,
		"1234":  -1614185708,
		"12345": -1188365604,
	}
	for key, want := range tests {
		if got := int32(murmur2(key)); got != want {
			t.Errorf("murmur2(%q) = %d, want %d", key, got, want)
		}
		if got := int32(murmur2([]byte(key))); got != want {
			t.Errorf("murmur2 of the bytes of %q = %d, want %d", key, got, want)
		}
	}
}
