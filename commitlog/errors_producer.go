package commitlog

import (
	"fmt"
	"time"
)

// IndefiniteSendError says that the outcome of a record could not be learned in time. It is in its place among the records of its partition, or
// nowhere; sending it again could store it twice.
type IndefiniteSendError struct {
	Topic     string
	Partition int32 // -1: not known
	Cause     error
}

func (e *IndefiniteSendError) Error() string {
	place := fmt.Sprintf("topic %q", e.Topic)
	if e.Partition >= 0 {
		place += fmt.Sprintf(", partition %d", e.Partition)
	}
	return fmt.Sprintf("commitlog: the record may or may not be stored in %s: look for it before sending it again: %v", place, e.Cause)
}

// Is reports whether target is ErrIndefinite.
func (e *IndefiniteSendError) Is(target error) bool { return target == ErrIndefinite }

func (e *IndefiniteSendError) Unwrap() error { return e.Cause }

// BufferExhaustedError refuses a record: what was sent before is not delivered yet and takes the whole buffer. It is not sent.
type BufferExhaustedError struct {
	Topic  string
	Max    int // ProducerConfig.BufferBytesMax
	Waited time.Duration
}

func (e *BufferExhaustedError) Error() string {
	return fmt.Sprintf("commitlog: the producer of topic %q has %d bytes that are not delivered, and no room for a record within %v: send more slowly, or raise BufferBytesMax",
		e.Topic, e.Max, e.Waited)
}

// Is reports whether target is ErrBufferExhausted.
func (e *BufferExhaustedError) Is(target error) bool { return target == ErrBufferExhausted }

// OutOfOrderError refuses a record: it is not stored, and can no more be in its place, because records that were sent later are.
type OutOfOrderError struct {
	Topic     string
	Partition int32
	Detail    string
}

func (e *OutOfOrderError) Error() string {
	return fmt.Sprintf("commitlog: records that were sent later are stored in topic %q, partition %d: send this one again if its place does not matter: %s",
		e.Topic, e.Partition, e.Detail)
}

// Is reports whether target is ErrOutOfOrder.
func (e *OutOfOrderError) Is(target error) bool { return target == ErrOutOfOrder }

// NotDeliveredError says how many records a producer could not deliver since that was asked last.
type NotDeliveredError struct {
	Topic      string
	Records    int
	Indefinite int   // of Records, those that may be stored all the same
	First      error // of the first of them
}

func (e *NotDeliveredError) Error() string {
	return fmt.Sprintf("commitlog: %s to topic %q not delivered, of which %d may be stored; the first: %v", counted(e.Records, "record"), e.Topic, e.Indefinite, e.First)
}

// Is reports whether target is ErrNotDelivered.
func (e *NotDeliveredError) Is(target error) bool { return target == ErrNotDelivered }

func (e *NotDeliveredError) Unwrap() error { return e.First }
