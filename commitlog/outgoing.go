package commitlog

import (
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/strandlog/strand/internal/recordbatch"
	"github.com/strandlog/strand/internal/wire"
)

// outgoing is a batch of one partition on its way. First it takes records, under its lane's lock; then it is sealed and pressed into its final bytes,
// which have no number yet; then its sender numbers it, for ever, and sends it as often as it must.
type outgoing struct {
	lane     *lane
	builder  recordbatch.Builder
	memory   int // bytes taken from the budget
	awaited  []awaited
	created  time.Time
	deadline time.Time
	sealed   bool
	size     int // of its bytes before they are pressed, once it is sealed

	pressing sync.Mutex // held by whoever makes bytes; taken before the lane's lock is released
	bytes    []byte     // nil: not pressed yet

	done chan struct{} // closed when it has an outcome and everybody was told; nil while nobody waits. Guarded by the lane's lock

	// Owned by the sender.
	tries
	number    uint32           // of its producer, from 1
	undecided bool             // the broker cannot tell its outcome: what follows does not wait for it
	observed  func(SendResult) // the observer's; nil: nobody observes, or it was never sent
	base      int64            // outcome
	epoch     uint64
	time      int64 // 0: each record has its own
	err       error
}

// awaited is who waits for a record, if anybody, and the time that the record was given.
type awaited struct {
	told func(Delivery, error)
	time int64
}

// awaitedBytes is the size of an awaited; it counts as part of its record.
const awaitedBytes = 16

// used is how much of its memory the batch takes.
func (o *outgoing) used() int {
	return max(o.builder.Len(), recordbatch.HeaderBytes) + awaitedBytes*len(o.awaited)
}

// grow moves the batch into memory of another size.
func (o *outgoing) grow(m *memory, size int) {
	m.reuse(o.builder.Use(m.slice(size)))
	o.memory = size
}

// press makes the batch's bytes, unless somebody has. The caller holds pressing.
func (o *outgoing) press(codec recordbatch.Codec, scratch *sync.Pool) {
	if o.bytes != nil {
		return
	}
	if codec == recordbatch.None {
		o.bytes = o.builder.Bytes()
		return
	}
	buf, ok := scratch.Get().(*[]byte)
	if !ok {
		buf = new([]byte)
	}
	o.builder.SetCodec(codec)
	*buf = o.builder.AppendTo((*buf)[:0])
	// What is pressed is not larger than what it was made of, and takes its place.
	o.bytes = append(o.leaveBuilder(), *buf...)
	scratch.Put(buf)
}

// leaveBuilder empties the builder and returns its memory.
func (o *outgoing) leaveBuilder() []byte {
	o.builder.Reset(0, 0, 0)
	return o.builder.Use(nil)
}

// settle takes the broker's answer to a send and reports whether it is the outcome. If not, the batch is to be sent again.
func (o *outgoing) settle(r *wire.ProduceResult, epoch uint64) bool {
	switch r.Code {
	case wire.OK:
		o.base, o.time, o.epoch = r.BaseOffset, r.Timestamp, epoch
		return true
	case wire.NotLeader, wire.Overloaded, wire.NotEnoughSync, wire.NoStorage, wire.Early:
		return false
	case wire.Retry:
		o.absent()
		return false
	case wire.TooLarge, wire.Invalid, wire.IDReuse, wire.UnknownTopic, wire.OutOfOrder:
		o.err = o.definite(o.refused(r.Code, r.Detail))
		return true
	case wire.Corrupt, wire.LogDiverged:
		o.err = o.indefinite(o.refused(r.Code, r.Detail))
		return true
	default:
		o.undecided = true
		o.lost(refusal(r.Code, r.Detail))
		return false
	}
}

// repeated is why a batch is to be sent again.
func (o *outgoing) repeated(r *wire.ProduceResult) error {
	switch r.Code {
	case wire.Overloaded, wire.NotEnoughSync, wire.NoStorage:
		return o.refused(r.Code, r.Detail)
	}
	return refusal(r.Code, r.Detail)
}

// refused is the error of a code.
func (o *outgoing) refused(code wire.Code, detail string) error {
	topic, partition := o.lane.sender.topic(), o.lane.partition
	switch code {
	case wire.Overloaded:
		return &OverloadedError{Topic: topic, Detail: "the broker's queue is full " + detail}
	case wire.NotEnoughSync:
		return &ReplicasError{Topic: topic, Detail: detail}
	case wire.NoStorage:
		return &StorageError{Topic: topic, Detail: detail}
	case wire.TooLarge:
		return &TooLargeError{What: detail}
	case wire.OutOfOrder:
		return &OutOfOrderError{Topic: topic, Partition: partition, Detail: detail}
	case wire.UnknownTopic:
		return &UnknownTopicError{Topic: topic}
	case wire.Corrupt:
		return &CorruptError{Topic: topic, Partition: partition, Offset: -1, Cause: errors.New(detail)}
	case wire.LogDiverged:
		return &DivergedError{Topic: topic, Detail: detail}
	default:
		return &InvalidError{Reason: fmt.Sprintf("sending to topic %q, partition %d: the broker answered %s: %s", topic, partition, code, detail)}
	}
}

// definite is err, which promises that nothing is stored, unless an earlier send may break the promise.
func (o *outgoing) definite(err error) error {
	if o.unknown == nil {
		return err
	}
	return o.indefinite(fmt.Errorf("%s, after an earlier try whose outcome is unknown: %w", err.Error(), o.unknown))
}

func (o *outgoing) indefinite(cause error) error {
	return &IndefiniteSendError{Topic: o.lane.sender.topic(), Partition: o.lane.partition, Cause: cause}
}

// left is the outcome when the producer stops trying for a reason that promises nothing about what was sent.
func (o *outgoing) left(reason error) error {
	if o.unknown == nil {
		return reason
	}
	return o.indefinite(fmt.Errorf("%w, after an earlier try: %w", reason, o.unknown))
}

// tell calls everybody who waits for a record of the batch, in the order of the records.
func (o *outgoing) tell() {
	d := Delivery{Partition: o.lane.partition, Epoch: o.epoch}
	for i := range o.awaited {
		a := &o.awaited[i]
		if a.told == nil {
			continue
		}
		if o.err != nil {
			a.told(Delivery{Partition: o.lane.partition, Offset: -1}, o.err)
			continue
		}
		at := o.time
		if at == 0 {
			at = a.time
		}
		if d.Offset = -1; o.base >= 0 {
			d.Offset = o.base + int64(i)
		}
		d.Time = time.UnixMilli(at).UTC()
		a.told(d, nil)
	}
}
