package main

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"iter"
	"strings"
)

const (
	gameBytesMax = 1 << 20  // longer ones are refused, not held in memory
	lineBytesMax = 64 << 10 // longer ones are read in pieces
)

// Text is the part of a PGN file that holds one game.
type Text struct {
	File    string
	Number  int // within the file, from 1
	Line    int // of the file, where it begins, from 1
	Bytes   int // of the file
	Content string
	Event   bool // it has an Event tag
	TooLong bool // Content is not all of it
}

// split cuts a PGN file into its games. Every byte of the file is in one of them, so that what is no game is noticed when it is read.
func split(file string, r io.Reader) iter.Seq2[Text, error] {
	return func(yield func(Text, error) bool) {
		in := bufio.NewReaderSize(r, lineBytesMax)
		s := splitter{text: Text{File: file, Number: 1, Line: 1}}
		whole := true // the piece begins a line
		for line := 1; ; {
			piece, err := in.ReadSlice('\n')
			if err != nil && !errors.Is(err, bufio.ErrBufferFull) && !errors.Is(err, io.EOF) {
				yield(Text{}, fmt.Errorf("reading %s: %w", file, err))
				return
			}
			if whole && s.startsGame(piece) && !yield(s.cut(line), nil) {
				return
			}
			s.take(piece, whole)
			if errors.Is(err, io.EOF) {
				if s.tags || s.moves {
					yield(s.cut(line), nil)
				}
				return
			}
			if whole = err == nil; whole {
				line++
			}
		}
	}
}

// splitter knows which part of a game the next line would belong to.
type splitter struct {
	text    Text
	content strings.Builder
	tags    bool // it has a line of tags
	moves   bool // the moves have begun
	comment bool // the line begins within {braces}
}

// startsGame says whether a line belongs to the game after this one. An Event tag always does, so that a game that is cut off within
// a comment costs no other.
func (s *splitter) startsGame(line []byte) bool {
	if isEvent(line) {
		return s.moves || s.text.Event
	}
	return isTag(line) && s.moves && !s.comment
}

func (s *splitter) take(piece []byte, whole bool) {
	s.text.Bytes += len(piece)
	if s.content.Len()+len(piece) > gameBytesMax {
		s.text.TooLong = true
	} else {
		s.content.Write(piece)
	}
	switch {
	case whole && !s.moves && isTag(piece):
		s.tags = true
		s.text.Event = s.text.Event || isEvent(piece)
	case whole && bytes.HasPrefix(piece, []byte("%")):
	case len(trim(piece)) > 0:
		s.moves = true
		s.comment = opensComment(piece, s.comment)
	}
}

// cut ends the game before the given line, and begins the next one there.
func (s *splitter) cut(line int) Text {
	done := s.text
	done.Content = s.content.String()
	*s = splitter{text: Text{File: done.File, Number: done.Number + 1, Line: line}}
	return done
}

// trim also takes the byte order mark away that some editors write at the beginning of a file.
func trim(line []byte) []byte { return bytes.TrimSpace(bytes.TrimPrefix(line, []byte("\ufeff"))) }

func isTag(line []byte) bool   { return bytes.HasPrefix(trim(line), []byte("[")) }
func isEvent(line []byte) bool { return bytes.HasPrefix(trim(line), []byte("[Event ")) }

func opensComment(line []byte, within bool) bool {
	for _, c := range line {
		switch {
		case within:
			within = c != '}'
		case c == '{':
			within = true
		case c == ';':
			return false
		}
	}
	return within
}
