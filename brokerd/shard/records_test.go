package shard

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/strandlog/strand/brokerd/segment"
	"github.com/strandlog/strand/internal/recordbatch"
	"github.com/strandlog/strand/internal/wire"
)

// A stream of several pages, of which some records lie together and others far apart, in several files, is read whole and in order.
func TestLongStreamIsReadInPages(t *testing.T) {
	f := newFixture(t)
	version := 0
	for i := range 40 {
		f.mustAppend("s-0", wire.Expected(version), 1+i%20)
		version += 1 + i%20
		f.mustAppend("s-1", wire.Any, 60)
	}
	if version <= 2*pageRecords {
		t.Fatalf("%d versions are no test", version)
	}
	f.agree()
}

func TestRunsOf(t *testing.T) {
	at := func(file, pos int64) found {
		return found{pointer: pointer{Place: segment.Place{File: file, Pos: pos}, Len: 100}}
	}
	runs := runsOf([]found{at(0, 0), at(0, 100), at(0, readAheadBytes-100), at(0, readAheadBytes), at(7, readAheadBytes+100), at(7, 5*readAheadBytes)})
	var lengths []int
	for _, r := range runs {
		lengths = append(lengths, len(r.records))
	}
	if len(lengths) != 4 || lengths[0] != 3 || lengths[1] != 1 || lengths[2] != 1 || lengths[3] != 1 {
		t.Errorf("runs of %v records", lengths)
	}
}

// Runs that are read at the same time get what lies at their places, and each its own error.
func TestReadRuns(t *testing.T) {
	dir := t.TempDir()
	l, err := segment.Open(segment.Config{Dir: dir}, 0, segment.Place{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	batches := oneRecordBatches(t, 40)
	var records []found
	for _, b := range batches {
		place, err := l.Append(b)
		if err != nil {
			t.Fatal(err)
		}
		records = append(records, found{pointer: pointer{Place: place, Len: uint32(len(b))}})
	}
	runs := make([]run, len(records))
	for i := range records {
		runs[i].records = records[i : i+1]
	}
	readRuns(l, runs)
	for i := range runs {
		if runs[i].err != nil || string(runs[i].raw(records[i])) != string(batches[i]) {
			t.Errorf("run %d: %v", i, runs[i].err)
		}
	}
	files, err := filepath.Glob(filepath.Join(dir, "*"))
	if err != nil || len(files) != 1 {
		t.Fatal(files, err)
	}
	if err := os.Truncate(files[0], records[20].Place.Pos); err != nil {
		t.Fatal(err)
	}
	readRuns(l, runs)
	for i := range runs {
		if failed := runs[i].err != nil; failed != (i >= 20) {
			t.Errorf("run %d of a file that was cut at 20: %v", i, runs[i].err)
		}
	}
}

// oneRecordBatches makes so many batches of one record each, which follow one another.
func oneRecordBatches(t *testing.T, n int) (batches [][]byte) {
	t.Helper()
	var b recordbatch.Builder
	for i := range n {
		b.Reset(int64(i), 0, 1)
		b.Append(recordbatch.Entry{Value: fmt.Appendf(nil, "value %d", i)})
		batches = append(batches, b.AppendTo(nil))
	}
	return batches
}
