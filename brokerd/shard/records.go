package shard

import (
	"errors"
	"fmt"
	"hash/crc32"
	"slices"
	"sync"

	"github.com/strandlog/strand/brokerd/segment"
	"github.com/strandlog/strand/internal/wire"
)

const (
	readAheadBytes = 32 << 10 // how far apart the records of one pread may lie
	pageRecords    = 128      // records that are looked up before they are read; a read that ends early has read no more than so many in vain
	pageReaders    = 4        // preads of one stream at once
	pageReadsMin   = 8        // below so many preads, one after the other is faster than waking others
)

// found is where a version of a stream lies.
type found struct {
	version int64
	pointer
}

// run is records that one pread gets.
type run struct {
	records []found
	buf     []byte
	sparse  bool // most of buf lies between the records
	err     error
}

// records yields the stored records of a stream. Records that lie close together are read at once, and those that lie apart several at a time.
func (s *store) records(partition int32, stream string, from int64, fn func(wire.StreamRecord) (bool, error)) error {
	slot, _ := s.layout.Slot(partition)
	page := make([]found, 0, pageRecords)
	more := true
	flush := func() error {
		runs := runsOf(page)
		readRuns(s.segments[slot], runs)
		for i := range runs {
			if err := runs[i].err; err != nil {
				return fmt.Errorf("reading stream %q: %w", stream, err)
			}
			for _, f := range runs[i].records {
				raw := runs[i].raw(f)
				if crc32.Checksum(raw, castagnoli) != f.Sum {
					return fmt.Errorf("%w: version %d of stream %q (partition %d, offset %d) does not match its checksum in the segment", ErrCorrupt, f.version, stream, partition, f.Offset)
				}
				var err error
				if more, err = fn(wire.StreamRecord{Version: f.version, Offset: f.Offset, Timestamp: f.Timestamp, Raw: raw}); err != nil || !more {
					return err
				}
			}
		}
		page = page[:0]
		return nil
	}
	var failed error
	err := s.pointers(partition, stream, from, func(version int64, p pointer) bool {
		if page = append(page, found{version, p}); len(page) == pageRecords {
			failed = flush()
		}
		return failed == nil && more
	})
	if err = errors.Join(err, failed); err != nil || !more {
		return err
	}
	return flush()
}

// runsOf divides records, in the order of their places, into those that one pread gets.
func runsOf(records []found) (runs []run) {
	for first := 0; first < len(records); {
		begin, end := records[first].Place, first+1
		for end < len(records) && records[end].Place.File == begin.File && records[end].Place.Pos+int64(records[end].Len)-begin.Pos <= readAheadBytes {
			end++
		}
		runs = append(runs, run{records: records[first:end]})
		first = end
	}
	return runs
}

// readRuns fills the runs from a segment log.
func readRuns(log *segment.Log, runs []run) {
	if len(runs) < pageReadsMin {
		for i := range runs {
			runs[i].read(log)
		}
		return
	}
	var group sync.WaitGroup
	for part := range slices.Chunk(runs, (len(runs)+pageReaders-1)/pageReaders) {
		group.Go(func() {
			for i := range part {
				part[i].read(log)
			}
		})
	}
	group.Wait()
}

func (r *run) read(log *segment.Log) {
	first, last := r.records[0].Place, r.records[len(r.records)-1]
	wanted := 0
	for _, f := range r.records {
		wanted += int(f.Len)
	}
	r.buf = make([]byte, last.Place.Pos+int64(last.Len)-first.Pos)
	r.sparse = 2*wanted < len(r.buf)
	r.err = log.ReadAt(first, r.buf)
}

// raw is the bytes of one of the run's records.
func (r *run) raw(f found) []byte {
	at := f.Place.Pos - r.records[0].Place.Pos
	raw := r.buf[at : at+int64(f.Len) : at+int64(f.Len)]
	if r.sparse { // a view would keep the gaps alive as well
		return slices.Clone(raw)
	}
	return raw
}
