package commitlog_test

import (
	"errors"
	"fmt"

	"github.com/google/uuid"
	"github.com/strandlog/strand/commitlog"
)

// What to do about an append that failed depends on what is known of it.
func Example_errors() {
	advise := func(err error) string {
		// First: an append may be indefinite because the context ended.
		if indefinite, ok := errors.AsType[*commitlog.IndefiniteError](err); ok {
			return fmt.Sprintf("look for %d events in %s before anything else", len(indefinite.IDs), indefinite.Stream)
		}
		if conflict, ok := errors.AsType[*commitlog.ConflictError](err); ok {
			return fmt.Sprintf("load %s, which is at version %d, and decide again", conflict.Stream, conflict.Actual)
		}
		if errors.Is(err, commitlog.ErrOverloaded) {
			return "append more slowly"
		}
		return "nothing is stored: " + err.Error()
	}
	fmt.Println(advise(&commitlog.ConflictError{Topic: "events", Stream: "account-alice", Expected: 7, Actual: 8}))
	fmt.Println(advise(&commitlog.IndefiniteError{Topic: "events", Stream: "account-alice", IDs: make([]uuid.UUID, 2), Cause: errors.New("no answer")}))
	fmt.Println(advise(&commitlog.UnknownTopicError{Topic: "evnts"}))
	// Output:
	// load account-alice, which is at version 8, and decide again
	// look for 2 events in account-alice before anything else
	// nothing is stored: commitlog: topic "evnts" does not exist: create it with CreateTopic, or look it up again by its name
}

func ExampleCheckStream() {
	fmt.Println(commitlog.CheckStream("account-alice"))
	fmt.Println(commitlog.CheckStream("account-\n"))
	// Output:
	// <nil>
	// commitlog: stream "account-\n": control character '\n' at byte 8
}
