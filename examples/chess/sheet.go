package main

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"
)

// Sheet is a game as its file tells it. Whether its moves are legal is not known yet.
type Sheet struct {
	Tags   map[string]string
	Moves  []string // as they are written
	Result string
}

// Key names the game: the same headers and moves give the same key in every file and every run.
func (s Sheet) Key() string {
	text := new(strings.Builder)
	for _, name := range slices.Sorted(maps.Keys(s.Tags)) {
		fmt.Fprintf(text, "%q %q\n", name, s.Tags[name])
	}
	fmt.Fprintf(text, "%q %q", s.Moves, s.Result)
	sum := sha256.Sum256([]byte(text.String()))
	return hex.EncodeToString(sum[:16])
}

// tag is `[Name "value"]`. Quotes in the value should be escaped, and often are not.
var tag = regexp.MustCompile(`^\[\s*(\w+)\s+"(.*)"\s*\]$`)

// readSheet reads one game. Its errors are refusals.
func readSheet(text Text) (Sheet, error) {
	if text.TooLong {
		return Sheet{}, refuse("it is longer than %d bytes", gameBytesMax)
	}
	sheet := Sheet{Tags: map[string]string{}}
	rest := strings.TrimPrefix(utf8Text(text.Content), "\ufeff")
	for rest != "" {
		line, behind, _ := strings.Cut(rest, "\n")
		line = strings.TrimSpace(line)
		if line != "" && line[0] != '[' && line[0] != '%' {
			break
		}
		rest = behind
		if line == "" || line[0] == '%' {
			continue
		}
		if err := sheet.addTag(line); err != nil {
			return Sheet{}, err
		}
	}
	if len(sheet.Tags) == 0 {
		return Sheet{}, refuse("it has no headers")
	}
	var err error
	if sheet.Moves, sheet.Result, err = readMoves(rest); err != nil {
		return Sheet{}, err
	}
	header := cmp.Or(sheet.Tags["Result"], sheet.Result)
	if sheet.Result == "" {
		return Sheet{}, refuse("it is cut off: no result stands behind its %d half-moves", len(sheet.Moves))
	}
	if header != sheet.Result {
		return Sheet{}, refuse("its header says %s, its moves end with %s", header, sheet.Result)
	}
	return sheet, nil
}

func (s *Sheet) addTag(line string) error {
	parts := tag.FindStringSubmatch(line)
	if parts == nil || strings.Contains(parts[2], `"]`) {
		return refuse("its header %q cannot be read", line)
	}
	name, value := parts[1], strings.NewReplacer(`\"`, `"`, `\\`, `\`).Replace(parts[2])
	if _, twice := s.Tags[name]; twice {
		return refuse("it has the header %s twice", name)
	}
	s.Tags[name] = value
	return nil
}

// utf8Text gives text as UTF-8. What is not is ISO 8859-1, the character set that the PGN standard names.
func utf8Text(text string) string {
	if utf8.ValidString(text) {
		return text
	}
	runes := make([]rune, 0, len(text))
	for _, b := range []byte(text) {
		runes = append(runes, rune(b))
	}
	return string(runes)
}
