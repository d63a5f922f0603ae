package commitlog

import (
	"fmt"
	"unicode"
	"unicode/utf8"

	"github.com/strandlog/strand/internal/wire"
)

// CheckStream reports a *NameError unless name can name a stream: 1 to 255 bytes of UTF-8 without control characters.
func CheckStream(name string) error { return checkName("stream", name, wire.StreamBytesMax) }

// CheckTopic reports a *NameError unless name can name a topic: 1 to 100 letters (a to z, either case), digits, '.', '_' and '-', beginning with a
// letter or a digit.
func CheckTopic(name string) error { return checkWord("topic", name, wire.TopicBytesMax) }

// CheckGroup reports a *NameError unless name can name a consumer group: as of topics, but up to 200 characters.
func CheckGroup(name string) error { return checkWord("group", name, wire.GroupBytesMax) }

func checkWord(what, name string, bytesMax int) error {
	switch {
	case name == "":
		return &NameError{What: what, Reason: "a name has at least one character"}
	case len(name) > bytesMax:
		return &NameError{What: what, Name: name, Reason: fmt.Sprintf("%d bytes exceed %d", len(name), bytesMax)}
	}
	for i, r := range name {
		switch {
		case 'a' <= r && r <= 'z', 'A' <= r && r <= 'Z', '0' <= r && r <= '9':
		case i > 0 && (r == '.' || r == '_' || r == '-'):
		default:
			return &NameError{What: what, Name: name, Reason: fmt.Sprintf("%q at byte %d: use letters, digits, '.', '_' and '-', and begin with a letter or a digit", r, i)}
		}
	}
	return nil
}

func checkName(what, name string, bytesMax int) error {
	switch {
	case name == "":
		return &NameError{What: what, Reason: "a name has at least one character"}
	case len(name) > bytesMax:
		return &NameError{What: what, Name: name, Reason: fmt.Sprintf("%d bytes exceed %d", len(name), bytesMax)}
	case !utf8.ValidString(name):
		return &NameError{What: what, Name: name, Reason: "it is not UTF-8"}
	}
	for i, r := range name {
		if unicode.IsControl(r) {
			return &NameError{What: what, Name: name, Reason: fmt.Sprintf("control character %q at byte %d", r, i)}
		}
	}
	return nil
}
