package eventstore

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/google/uuid"
)

// ErrText is the answer to a text that is no position or cursor, and to one of these that has no text.
var ErrText = errors.New("eventstore: malformed position or cursor")

// TextError names the text and the form that it should have. It is an ErrText.
type TextError struct {
	What string // position, cursor
	Text string
	Form string
}

// textShownMax is how much of a malformed text an error message repeats, in bytes.
const textShownMax = 200

func (e *TextError) Error() string {
	text := e.Text
	if len(text) > textShownMax {
		text = strings.ToValidUTF8(text[:textShownMax], "") + "…"
	}
	return fmt.Sprintf("%q is no %s: the form is %s", text, e.What, e.Form)
}

// Is makes errors.Is(err, ErrText) true.
func (e *TextError) Is(target error) bool { return target == ErrText }

// uuidBytes is the length of an id as text.
const uuidBytes = 36

// parseNumber takes the canonical form alone, without sign or leading zeros: one text for one position.
func parseNumber(s string, bits int) (uint64, bool) {
	n, err := strconv.ParseUint(s, 10, bits)
	return n, err == nil && (s[0] != '0' || len(s) == 1)
}

// parseIDs takes a topic id and a log id in canonical form, with a colon between them.
func parseIDs(s string) (topic, log uuid.UUID, ok bool) {
	if len(s) != 2*uuidBytes+1 || s[uuidBytes] != ':' {
		return topic, log, false
	}
	topic, topicErr := uuid.Parse(s[:uuidBytes])
	log, logErr := uuid.Parse(s[uuidBytes+1:])
	return topic, log, topicErr == nil && logErr == nil && topic.String()+":"+log.String() == s
}
