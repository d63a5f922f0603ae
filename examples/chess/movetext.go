package main

import "strings"

// readMoves reads the moves of a game and the result behind them. Comments, variations and annotations are no part of what was played.
// It does not know the rules: a word that is no move is found when it is played. Its errors are refusals.
func readMoves(text string) (moves []string, result string, err error) {
	depth := 0 // of (variations)
	for text != "" {
		var word string
		switch c := text[0]; {
		case strings.ContainsRune(" \t\r\n", rune(c)):
			blank := strings.IndexFunc(text, func(r rune) bool { return !strings.ContainsRune(" \t\r\n", r) })
			if blank < 0 {
				blank = len(text)
			}
			if lineEnd := strings.LastIndexByte(text[:blank], '\n'); lineEnd >= 0 && strings.HasPrefix(text[lineEnd+1:], "%") {
				_, text, _ = strings.Cut(text[lineEnd+1:], "\n")
				text = "\n" + text
				continue
			}
			text = text[blank:]
			continue
		case c == '{':
			_, behind, closed := strings.Cut(text, "}")
			if !closed {
				return nil, "", refuse("it is cut off within a comment")
			}
			text = behind
			continue
		case c == '}':
			return nil, "", refuse("a comment ends that has not begun")
		case c == ';':
			_, text, _ = strings.Cut(text, "\n")
			text = "\n" + text
			continue
		case c == '(':
			depth++
			text = text[1:]
			continue
		case c == ')':
			if depth--; depth < 0 {
				return nil, "", refuse("a variation ends that has not begun")
			}
			text = text[1:]
			continue
		default:
			end := strings.IndexAny(text, " \t\r\n{}();")
			if end < 0 {
				end = len(text)
			}
			word, text = text[:end], text[end:]
		}
		switch move := withoutNumber(word); {
		case depth > 0 || isAnnotation(word):
		case result != "":
			return nil, "", refuse("%q stands behind the result", word)
		case isResult(word):
			result = word
		case move != "":
			moves = append(moves, move)
		}
	}
	if depth > 0 {
		return nil, "", refuse("it is cut off within a variation")
	}
	return moves, result, nil
}

// withoutNumber takes the number away that stands before a move or is glued to it: "12.", "12...Nf6".
func withoutNumber(word string) string {
	behind := strings.TrimLeft(word, "0123456789")
	if behind == "" || behind[0] == '.' {
		return strings.TrimLeft(behind, ".")
	}
	return word
}

// isAnnotation says whether a word judges a move: "$6", "!?", "e.p.".
func isAnnotation(word string) bool {
	return word[0] == '$' || strings.Trim(word, "!?") == "" || word == "e.p."
}
