package workload

// Scale is the size of the data that a benchmark works on.
type Scale struct {
	Streams        int // that conditional appends are spread over
	Events         int // that replays read and loads are scattered over
	RestartEvents  int
	RestartStreams int
	MemoryFrom     int // streams at the first measurement of memory
	MemoryTo       int // and at the second
	Clients        int // that produce at once, each on a connection of its own
	FanoutBytes    int // of recent data that several consumers read
}

// Full is the scale that the names of the benchmarks speak of.
func Full() Scale {
	return Scale{
		Streams: 10_000, Events: 1_000_000,
		RestartEvents: 10_000_000, RestartStreams: 1_000_000,
		MemoryFrom: 100_000, MemoryTo: 1_000_000,
		Clients: 1000, FanoutBytes: 128 << 20,
	}
}

// Quick shows within a minute whether something is badly wrong. Its figures for restart and memory say little.
func Quick() Scale {
	return Scale{
		Streams: 10_000, Events: 45_000,
		RestartEvents: 50_000, RestartStreams: 10_000,
		MemoryFrom: 5_000, MemoryTo: 25_000,
		Clients: 1000, FanoutBytes: 16 << 20,
	}
}
