package eventstore

import (
	"fmt"
	"strings"

	"github.com/strandlog/strand/commitlog"
)

// StreamName is category, dash, key: account-alice.
type StreamName string

// Category is the part before the first dash.
func (s StreamName) Category() string {
	category, _, _ := strings.Cut(string(s), "-")
	return category
}

// Key is the part after the first dash.
func (s StreamName) Key() string {
	_, key, _ := strings.Cut(string(s), "-")
	return key
}

func (s StreamName) String() string { return string(s) }

// check refuses what is not category-key.
func (s StreamName) check() error {
	if err := commitlog.CheckStream(string(s)); err != nil {
		return err
	}
	category, key, dash := strings.Cut(string(s), "-")
	switch {
	case !dash || key == "":
		return &commitlog.NameError{What: "stream", Name: string(s), Reason: "a stream is named category-key, such as account-alice"}
	case !validName(category, ""):
		return &commitlog.NameError{What: "stream", Name: string(s), Reason: fmt.Sprintf("the category %q does not consist of lower-case letters, digits and '_'", category)}
	}
	return nil
}

// validName accepts lower-case letters, digits, '_' and the extra characters, beginning with a letter.
func validName(name, extra string) bool {
	for i, r := range []byte(name) {
		switch {
		case 'a' <= r && r <= 'z':
		case i > 0 && ('0' <= r && r <= '9' || r == '_' || strings.IndexByte(extra, r) >= 0):
		default:
			return false
		}
	}
	return name != ""
}
