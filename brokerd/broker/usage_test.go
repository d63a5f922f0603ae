package broker_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"runtime/pprof"
	"strings"
	"syscall"
	"testing"
)

// usage is what a node's process takes.
type usage struct {
	goroutines, files int
	rss, heap, disk   int64 // bytes; the heap is what is alive
	eventsBytes       int64 // that were appended so far, which stay for ever
	topicsGone        int64 // that were made and deleted so far
}

// usageProfiles is the environment variable that names a directory for a profile of the heap at each report.
const usageProfiles = "STRAND_SOAK_PROFILES"

// reportUsage answers SIGUSR1 with a line about what only the process itself knows.
func reportUsage(ctx context.Context) {
	asked := make(chan os.Signal, 1)
	signal.Notify(asked, syscall.SIGUSR1)
	for n := 1; ; n++ {
		select {
		case <-asked:
			runtime.GC()
			var m runtime.MemStats
			runtime.ReadMemStats(&m)
			if err := profileHeap(os.Getenv(usageProfiles), n); err != nil {
				fmt.Println(err) // the test takes it for what it is, no usage
			}
			fmt.Println(runtime.NumGoroutine(), m.HeapAlloc)
		case <-ctx.Done():
			return
		}
	}
}

func profileHeap(dir string, n int) error {
	if dir == "" {
		return nil
	}
	f, err := os.Create(filepath.Join(dir, fmt.Sprintf("heap-%03d.pb.gz", n)))
	if err != nil {
		return err
	}
	return errors.Join(pprof.WriteHeapProfile(f), f.Close())
}

// usage asks the node and the system. Where the system does not know, the test is skipped.
func (p *process) usage(t *testing.T, dir string) (u usage) {
	t.Helper()
	if err := p.cmd.Process.Signal(syscall.SIGUSR1); err != nil {
		t.Fatal(err)
	}
	if !p.out.Scan() {
		t.Fatalf("the node has ended: %v", p.out.Err())
	}
	if _, err := fmt.Sscan(p.out.Text(), &u.goroutines, &u.heap); err != nil {
		t.Fatalf("%q: %v", p.out.Text(), err)
	}
	u.rss = p.memory(t, "VmRSS")
	files, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", p.cmd.Process.Pid))
	if err != nil {
		t.Fatal(err)
	}
	u.files = len(files)
	err = filepath.WalkDir(dir, func(_ string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			var info fs.FileInfo
			if info, err = d.Info(); err == nil {
				u.disk += info.Size()
			}
		}
		if errors.Is(err, fs.ErrNotExist) { // deleted while we look
			return nil
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return u
}

// memory is what the system says of the process's memory, in bytes.
func (p *process) memory(t *testing.T, name string) int64 {
	t.Helper()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.cmd.Process.Pid))
	if err != nil {
		t.Skipf("the memory of a process is not known here: %v", err)
	}
	for line := range strings.Lines(string(status)) {
		if value, ok := strings.CutPrefix(line, name+":"); ok {
			var kib int64
			if _, err := fmt.Sscanf(value, "%d kB", &kib); err != nil {
				t.Fatalf("%q: %v", line, err)
			}
			return kib << 10
		}
	}
	t.Fatalf("the system does not know %s", name)
	return 0
}
