package process

import (
	"fmt"
	"os"
	"strconv"
	"strings"
)

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
