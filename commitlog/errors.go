package commitlog

import (
	"errors"
	"fmt"
	"strings"

	"github.com/google/uuid"
)

// The identities of this package's errors, for errors.Is. Those with details come as the struct that is named beside them.
var (
	ErrConflict          = errors.New("commitlog: the stream is not at the expected version")     // *ConflictError
	ErrConditionFailed   = errors.New("commitlog: an event that the append rules out is stored")  // *ConditionError
	ErrShards            = errors.New("commitlog: the append concerns several shards")            // *ShardsError
	ErrIndefinite        = errors.New("commitlog: the append may or may not be stored")           // *IndefiniteError, *IndefiniteSendError
	ErrUnknownTopic      = errors.New("commitlog: no such topic")                                 // *UnknownTopicError
	ErrTopicExists       = errors.New("commitlog: the topic exists")                              // *TopicExistsError
	ErrInvalidName       = errors.New("commitlog: the name is not valid")                         // *NameError
	ErrInvalid           = errors.New("commitlog: the request is not valid")                      // *InvalidError
	ErrAppendTooLarge    = errors.New("commitlog: the append is too large")                       // *TooLargeError
	ErrOffsetOutOfRange  = errors.New("commitlog: the partition does not hold the offset")        // *OffsetRangeError
	ErrCorrupt           = errors.New("commitlog: the log is damaged")                            // *CorruptError
	ErrLogDiverged       = errors.New("commitlog: the log lost records that were acknowledged")   // *DivergedError
	ErrOverloaded        = errors.New("commitlog: too many appends are waiting")                  // *OverloadedError
	ErrNotEnoughReplicas = errors.New("commitlog: too few replicas are current")                  // *ReplicasError
	ErrNoStorage         = errors.New("commitlog: the broker has no room to store")               // *StorageError
	ErrIDReuse           = errors.New("commitlog: the sequence was used before for other events") // *IDReuseError
	ErrUnavailable       = errors.New("commitlog: no broker answers")                             // *UnavailableError
	ErrBufferExhausted   = errors.New("commitlog: the producer's buffer is full")                 // *BufferExhaustedError
	ErrOutOfOrder        = errors.New("commitlog: later records are stored already")              // *OutOfOrderError
	ErrNotDelivered      = errors.New("commitlog: records were not delivered")                    // *NotDeliveredError
	ErrClosed            = errors.New("commitlog: the client or the producer is closed")
)

// ConflictError refuses an append: nothing of it is stored and nothing will be. Load the stream again, decide again, append again.
type ConflictError struct {
	Topic    string
	Stream   string
	Expected Expected
	Actual   int64 // the stream's version, 0 when it does not exist
}

func (e *ConflictError) Error() string {
	return fmt.Sprintf("commitlog: stream %q of topic %q is at version %d, the append expected %s: load it again and decide again",
		e.Stream, e.Topic, e.Actual, describeExpected(e.Expected))
}

// Is reports whether target is ErrConflict.
func (e *ConflictError) Is(target error) bool { return target == ErrConflict }

func describeExpected(e Expected) string {
	switch e {
	case NoStream:
		return "no stream"
	case Any:
		return "any version"
	case StreamExists:
		return "an existing stream"
	default:
		return fmt.Sprintf("version %d", int64(e))
	}
}

// IndefiniteError says that the outcome of an append could not be learned in time. To learn it, look for the event IDs in the stream;
// appending the events again under other ids could store them twice.
type IndefiniteError struct {
	Topic  string
	Stream string      // of the append's first write
	IDs    []uuid.UUID // of all its events, in order
	Cause  error       // never one of the errors that promise that nothing was stored
}

func (e *IndefiniteError) Error() string {
	return fmt.Sprintf("commitlog: %s to stream %q of topic %q may or may not be stored: read the stream and look for %s (%v)",
		counted(len(e.IDs), "event"), e.Stream, e.Topic, describeIDs(e.IDs), e.Cause)
}

// Is reports whether target is ErrIndefinite.
func (e *IndefiniteError) Is(target error) bool { return target == ErrIndefinite }

func (e *IndefiniteError) Unwrap() error { return e.Cause }

// describeIDs names the first and the last: they are consecutive in the stream.
func describeIDs(ids []uuid.UUID) string {
	switch len(ids) {
	case 0:
		return "its events"
	case 1:
		return "id " + ids[0].String()
	default:
		return "ids " + ids[0].String() + " to " + ids[len(ids)-1].String()
	}
}

func counted(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}

// UnknownTopicError says that no topic has that name, or that the topic was deleted since it was looked up: a topic that was created
// again under the same name is another one.
type UnknownTopicError struct {
	Topic string // its name; its id where only that is known
}

func (e *UnknownTopicError) Error() string {
	return fmt.Sprintf("commitlog: topic %q does not exist: create it with CreateTopic, or look it up again by its name", e.Topic)
}

// Is reports whether target is ErrUnknownTopic.
func (e *UnknownTopicError) Is(target error) bool { return target == ErrUnknownTopic }

// TopicExistsError refuses to create a topic.
type TopicExistsError struct {
	Topic string
}

func (e *TopicExistsError) Error() string {
	return fmt.Sprintf("commitlog: topic %q exists: look it up with Topic, or choose another name", e.Topic)
}

// Is reports whether target is ErrTopicExists.
func (e *TopicExistsError) Is(target error) bool { return target == ErrTopicExists }

// NameError refuses a name before it is sent.
type NameError struct {
	What   string // stream, topic, group, command id, header key
	Name   string
	Reason string
}

func (e *NameError) Error() string {
	name := e.Name
	if len(name) > 300 {
		name = strings.ToValidUTF8(name[:300], "") + "…"
	}
	return fmt.Sprintf("commitlog: %s %q: %s", e.What, name, e.Reason)
}

// Is reports whether target is ErrInvalidName.
func (e *NameError) Is(target error) bool { return target == ErrInvalidName }

// InvalidError refuses a request that can never be granted as it is.
type InvalidError struct {
	Reason string
}

func (e *InvalidError) Error() string { return "commitlog: " + e.Reason }

// Is reports whether target is ErrInvalid.
func (e *InvalidError) Is(target error) bool { return target == ErrInvalid }

// TooLargeError refuses an append that exceeds a limit. What says which, Size and Max are in its unit.
type TooLargeError struct {
	What string // value bytes, header bytes, append bytes, events, writes
	Size int    // 0 where only the broker knows
	Max  int
}

func (e *TooLargeError) Error() string {
	if e.Size == 0 {
		return "commitlog: the append is too large: " + e.What
	}
	return fmt.Sprintf("commitlog: the append is too large: %d %s, at most %d: split it, or store the content elsewhere and append a reference",
		e.Size, e.What, e.Max)
}

// Is reports whether target is ErrAppendTooLarge.
func (e *TooLargeError) Is(target error) bool { return target == ErrAppendTooLarge }

// OffsetRangeError says that a partition's records go from Start to End, exclusively, and Offset is not among them.
type OffsetRangeError struct {
	Topic      string
	Partition  int32
	Offset     int64
	Start, End int64
}

func (e *OffsetRangeError) Error() string {
	return fmt.Sprintf("commitlog: offset %d of topic %q, partition %d is outside [%d, %d): begin at %d",
		e.Offset, e.Topic, e.Partition, e.Start, e.End, min(max(e.Offset, e.Start), e.End))
}

// Is reports whether target is ErrOffsetOutOfRange.
func (e *OffsetRangeError) Is(target error) bool { return target == ErrOffsetOutOfRange }

// CorruptError says where the log, or an answer of the broker, is not what it must be. Nothing from there on may be trusted, and
// nothing was skipped.
type CorruptError struct {
	Topic     string
	Partition int32 // -1: of the shard as a whole
	Offset    int64 // of the first record that is in doubt, -1 where it is unknown
	Cause     error
}

func (e *CorruptError) Error() string {
	place := fmt.Sprintf("topic %q", e.Topic)
	if e.Partition >= 0 {
		place += fmt.Sprintf(", partition %d", e.Partition)
	}
	if e.Offset >= 0 {
		place += fmt.Sprintf(", offset %d", e.Offset)
	}
	return fmt.Sprintf("commitlog: the log is damaged at %s: %v: stop here and look at the broker's log", place, e.Cause)
}

// Is reports whether target is ErrCorrupt.
func (e *CorruptError) Is(target error) bool { return target == ErrCorrupt }

func (e *CorruptError) Unwrap() error { return e.Cause }

// DivergedError says that a topic's log is shorter than what it acknowledged. It serves nothing until an operator decides.
type DivergedError struct {
	Topic  string
	Detail string
}

func (e *DivergedError) Error() string {
	return fmt.Sprintf("commitlog: the log of topic %q lost records that were acknowledged: an operator must decide: %s", e.Topic, e.Detail)
}

// Is reports whether target is ErrLogDiverged.
func (e *DivergedError) Is(target error) bool { return target == ErrLogDiverged }

// OverloadedError refuses an append: a queue stayed full for the bounded wait. Nothing is stored; append again, more slowly.
type OverloadedError struct {
	Topic  string
	Detail string // whose queue
}

func (e *OverloadedError) Error() string {
	return fmt.Sprintf("commitlog: too many appends to topic %q are waiting: %s: append more slowly", e.Topic, e.Detail)
}

// Is reports whether target is ErrOverloaded.
func (e *OverloadedError) Is(target error) bool { return target == ErrOverloaded }

// ReplicasError refuses an append: nothing is stored.
type ReplicasError struct {
	Topic  string
	Detail string
}

func (e *ReplicasError) Error() string {
	return fmt.Sprintf("commitlog: too few replicas of topic %q are current: bring the other nodes back: %s", e.Topic, e.Detail)
}

// Is reports whether target is ErrNotEnoughReplicas.
func (e *ReplicasError) Is(target error) bool { return target == ErrNotEnoughReplicas }

// StorageError refuses an append: the broker's disk is full or fails. Nothing is stored. The broker admits appends again by itself once it can
// store: append again later. What is stored can be read meanwhile.
type StorageError struct {
	Topic  string
	Detail string
}

func (e *StorageError) Error() string {
	return fmt.Sprintf("commitlog: the broker cannot store appends to topic %q, and takes them again by itself once it can: %s", e.Topic, e.Detail)
}

// Is reports whether target is ErrNoStorage.
func (e *StorageError) Is(target error) bool { return target == ErrNoStorage }

// IDReuseError refuses an append whose sequence the broker knows with other content: a fault of this package or two producers of one id.
type IDReuseError struct {
	Stream string
	Detail string
}

func (e *IDReuseError) Error() string {
	return fmt.Sprintf("commitlog: append to stream %q: %s", e.Stream, e.Detail)
}

// Is reports whether target is ErrIDReuse.
func (e *IDReuseError) Is(target error) bool { return target == ErrIDReuse }

// UnavailableError says that no broker answered within the time allowed. An append that ends with it is not stored.
type UnavailableError struct {
	URL   string // of the server that the client is connected to, or tried
	Doing string
	Cause error
}

func (e *UnavailableError) Error() string {
	return fmt.Sprintf("commitlog: %s: no broker answers at %s: check that brokerd runs there: %v", e.Doing, e.URL, e.Cause)
}

// Is reports whether target is ErrUnavailable.
func (e *UnavailableError) Is(target error) bool { return target == ErrUnavailable }

func (e *UnavailableError) Unwrap() error { return e.Cause }
