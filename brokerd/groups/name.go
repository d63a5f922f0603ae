package groups

import (
	"fmt"
	"unicode"
	"unicode/utf8"
)

// checkName says what is wrong with the name of a group or an instance. Names are part of keys and of the operator's commands.
func checkName(name string) (reason string, ok bool) {
	switch {
	case name == "":
		return "the name is empty", false
	case len(name) > NameBytesMax:
		return fmt.Sprintf("the name has %d bytes, at most %d are allowed", len(name), NameBytesMax), false
	case !validName(name):
		return "a name consists of letters, digits, '.', '_' and '-' and begins with a letter or a digit", false
	}
	return "", true
}

func validName(name string) bool {
	for i, r := range []byte(name) {
		switch {
		case 'a' <= r && r <= 'z', 'A' <= r && r <= 'Z', '0' <= r && r <= '9':
		case i > 0 && (r == '.' || r == '_' || r == '-'):
		default:
			return false
		}
	}
	return name != ""
}

// checkText says what is wrong with text that is only shown.
func checkText(text string) (reason string, ok bool) {
	if len(text) > TextBytesMax {
		return fmt.Sprintf("%d bytes, at most %d are allowed", len(text), TextBytesMax), false
	}
	if !utf8.ValidString(text) {
		return "it is no UTF-8", false
	}
	for _, r := range text {
		if unicode.IsControl(r) {
			return fmt.Sprintf("it holds the control character %U", r), false
		}
	}
	return "", true
}
