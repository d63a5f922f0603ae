package partitioner_test

import (
	"fmt"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/strandlog/strand/internal/partitioner"
)

func ExamplePartition() {
	fmt.Println(partitioner.Partition("account-alice", 8))
	fmt.Println(partitioner.Partition("order-{c42}-7", 8) == partitioner.Partition("invoice-{c42}", 8))
	// Output:
	// 4
	// true
}

func TestPartitionDropsTheSignBit(t *testing.T) {
	// murmur2("21") is -973932308. Without its sign bit that is 1173551340; its absolute value would give other partitions.
	for n, want := range map[int]int32{8: 1173551340 % 8, 7: 1173551340 % 7, 1000: 340, 1: 0} {
		if got := partitioner.Partition("21", n); got != want {
			t.Errorf("partition of 21 among %d = %d, want %d", n, got, want)
		}
	}
}

func TestPartitionWithoutPartitions(t *testing.T) {
	for _, n := range []int{0, -1} {
		if got := partitioner.Partition("account-alice", n); got != 0 {
			t.Errorf("partition among %d = %d, want 0", n, got)
		}
	}
}

func TestKey(t *testing.T) {
	tests := []struct{ stream, want string }{
		{"account-alice", "account-alice"},
		{"order-{c42}-7", "c42"},
		{"{c42}", "c42"},
		{"order-{a}-{b}", "a"},
		{"order-{}-{b}", "order-{}-{b}"},
		{"order-{a", "order-{a"},
		{"order-a}", "order-a}"},
		{"order-}a{b}", "b"},
		{"order-{{a}}", "{a"},
		{"", ""},
	}
	for _, tt := range tests {
		if got := partitioner.Key([]byte(tt.stream)); string(got) != tt.want {
			t.Errorf("key of %q = %q, want %q", tt.stream, got, tt.want)
		}
	}
}

func TestStringsAndBytesAgree(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		name := rapid.StringOfN(rapid.RuneFrom([]rune("{}a-é")), -1, 20, -1).Draw(t, "name")
		n := rapid.IntRange(1, 1024).Draw(t, "n")
		p := partitioner.Partition(name, n)
		if b := partitioner.PartitionBytes([]byte(name), n); b != p {
			t.Fatalf("partition of %q: %d as a string, %d as bytes", name, p, b)
		}
		if k := partitioner.Partition(string(partitioner.Key([]byte(name))), n); !strings.Contains(name, "{") && k != p {
			t.Fatalf("partition of %q: %d, of its key: %d", name, p, k)
		}
		if p < 0 || int(p) >= n {
			t.Fatalf("partition of %q: %d among %d", name, p, n)
		}
	})
}

func BenchmarkPartition(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		partitioner.Partition("order-{c42}-7", 8)
	}
}
