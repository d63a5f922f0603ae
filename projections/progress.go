package projections

import (
	"sync"
	"time"
)

// Progress says how far a [CatchUp] or a [Rebuild] has come.
type Progress struct {
	Done    int64 // records that are projected or passed over
	Total   int64 // records between the checkpoints and the ends of the partitions when it began
	Elapsed time.Duration
}

// Rate is the records done per second.
func (p Progress) Rate() float64 {
	if p.Elapsed <= 0 {
		return 0
	}
	return float64(p.Done) / p.Elapsed.Seconds()
}

// Remaining is how long the rest takes at the rate so far; 0 while there is no rate.
func (p Progress) Remaining() time.Duration {
	rate := p.Rate()
	if rate == 0 || p.Done >= p.Total {
		return 0
	}
	return time.Duration(float64(p.Total-p.Done) / rate * float64(time.Second))
}

// progressInterval is the shortest time between two calls of a progress function.
const progressInterval = 100 * time.Millisecond

// meter counts the records of all partitions and reports them, one call at a time.
type meter struct {
	report func(Progress)
	began  time.Time

	mu       sync.Mutex // guards all below and is held during report
	done     int64
	total    int64
	reported time.Time
}

func newMeter(report func(Progress)) *meter {
	return &meter{report: report, began: time.Now()}
}

func (m *meter) expect(records int64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.total += records
}

func (m *meter) add(records int64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.done += records
	if time.Since(m.reported) >= progressInterval {
		m.tell()
	}
}

// finish reports the last numbers, whenever the ones before were.
func (m *meter) finish() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.tell()
}

func (m *meter) tell() {
	if m.report == nil {
		return
	}
	m.reported = time.Now()
	m.report(m.progress())
}

// now is the progress as of now.
func (m *meter) now() Progress {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.progress()
}

func (m *meter) progress() Progress {
	return Progress{Done: m.done, Total: m.total, Elapsed: time.Since(m.began)}
}
