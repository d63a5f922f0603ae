package workload

import (
	"encoding/binary"
	"fmt"
)

// Tally numbers the records of each worker, so that what was stored can be compared with what was sent. A worker is one goroutine.
type Tally struct{ sent []uint32 }

// NewTally is one of so many workers.
func NewTally(workers int) *Tally { return &Tally{make([]uint32, workers)} }

// tallyBytes are at the beginning of a record: who sent it, and which of theirs it is.
const tallyBytes = 8

// Record is the next record of a worker, of the size of the payload, whose beginning it overwrites in a copy.
func (t *Tally) Record(worker int, payload []byte) []byte {
	record := append(make([]byte, 0, len(payload)), payload...)
	binary.LittleEndian.PutUint32(record, uint32(worker))
	binary.LittleEndian.PutUint32(record[4:], t.sent[worker])
	t.sent[worker]++
	return record
}

// Sum is how many records there are.
func (t *Tally) Sum() (sum int) {
	for _, n := range t.sent {
		sum += int(n)
	}
	return sum
}

// Check begins to compare. All workers must be at rest.
func (t *Tally) Check() *Check { return &Check{tally: t, seen: make([]uint32, len(t.sent))} }

// Check compares the records that are stored, one after the other.
type Check struct {
	tally *Tally
	seen  []uint32
}

// Saw takes a record. Those of a worker must come in their order, none twice.
func (c *Check) Saw(record []byte) error {
	if len(record) < tallyBytes {
		return fmt.Errorf("a record of %d bytes was never sent", len(record))
	}
	worker, n := binary.LittleEndian.Uint32(record), binary.LittleEndian.Uint32(record[4:])
	if int(worker) >= len(c.seen) || n != c.seen[worker] {
		return fmt.Errorf("record %d of worker %d is lost, twice there or out of its order", n, worker)
	}
	c.seen[worker]++
	return nil
}

// Complete says whether all were seen.
func (c *Check) Complete() error {
	for worker, n := range c.tally.sent {
		if c.seen[worker] != n {
			return fmt.Errorf("of worker %d %d records are stored where %d were sent and acknowledged", worker, c.seen[worker], n)
		}
	}
	return nil
}
