package process

import (
	"context"
	"fmt"
	"math"
	"os"
	"strconv"
	"strings"
	"time"
)

// SettledRSS is the resident memory of a child that knows the command "free", once it has come to rest: what it does in the background after
// having been loaded takes memory for a while. It is at rest when its memory has not shrunk for a second.
func (c *Child) SettledRSS(ctx context.Context) (int64, error) {
	const every, calm = 100 * time.Millisecond, 10
	tick := time.NewTicker(every)
	defer tick.Stop()
	least := int64(math.MaxInt64)
	for same := 0; same < calm; same++ {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return 0, ctx.Err()
		}
		if _, err := c.Ask("free"); err != nil {
			return 0, err
		}
		rss, err := c.RSS()
		if err != nil {
			return 0, err
		}
		if rss < least-least/100 {
			least, same = rss, 0
		}
	}
	return least, nil
}

// residentBytes reads the resident memory of a process. Linux tells it; elsewhere the benchmarks of memory fail.
func residentBytes(pid int) (int64, error) {
	name := fmt.Sprintf("/proc/%d/status", pid)
	status, err := os.ReadFile(name)
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(status)) {
		if value, ok := strings.CutPrefix(line, "VmRSS:"); ok {
			kib, err := strconv.ParseInt(strings.TrimSuffix(strings.TrimSpace(value), " kB"), 10, 64)
			return kib << 10, err
		}
	}
	return 0, fmt.Errorf("%s has no VmRSS", name)
}
