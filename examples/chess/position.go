package main

import (
	"regexp"
	"strings"
	"sync"

	"github.com/corentings/chess/v2"
)

// Position is a position in Forsyth–Edwards Notation: a value, where the library's own position holds pointers and a cache.
type Position string

const initial Position = "rnbqkbnr/pppppppp/8/8/8/8/PPPPPPPP/RNBQKBNR w KQkq - 0 1"

// fenReader serialises the library's FEN reader, which keeps the ranks of the position that it reads in a package variable.
var fenReader sync.Mutex

func (p Position) decode() (*chess.Position, error) {
	board, _, _ := strings.Cut(string(p), " ")
	if strings.Count(board, "K") != 1 || strings.Count(board, "k") != 1 {
		return nil, refuse("the position %q does not have one king on each side", p)
	}
	fenReader.Lock()
	defer fenReader.Unlock()
	position := new(chess.Position)
	if err := position.UnmarshalText([]byte(p)); err != nil {
		return nil, refuse("the position %q cannot be read: %v", p, err)
	}
	return position, nil
}

// notation takes a move apart: piece, file and rank that it comes from, square that it goes to, promotion.
var notation = regexp.MustCompile(`^([KQRBNP]?)([a-h]?)([1-8]?)x?([a-h][1-8])(?:=?([QRBN]))?[+#]?[!?]*$`)

// castling takes a castling move apart: one more O means the queen's side. Some files write zeros.
var castling = regexp.MustCompile(`^[O0]-[O0](-[O0])?[+#]?[!?]*$`)

// play makes the move that san describes, and gives it in strict notation. It refuses what describes no legal move, or more than one.
//
// The library's own decoder of this notation is not used: it takes "Nbd2" for the move of a knight on f3 when none stands on the b-file.
func play(position *chess.Position, san string) (strict string, next *chess.Position, err error) {
	matches, err := describe(san)
	if err != nil {
		return "", nil, err
	}
	var legal []chess.Move
	for _, move := range position.ValidMoves() {
		if matches(position, move) {
			legal = append(legal, move)
		}
	}
	switch len(legal) {
	case 0:
		return "", nil, refuse("is not legal in %q", position)
	case 1:
		move := &legal[0]
		return chess.AlgebraicNotation{}.Encode(position, move), position.Update(move), nil
	default:
		return "", nil, refuse("describes %d legal moves in %q", len(legal), position)
	}
}

// describe gives the test for the moves that san may mean.
func describe(san string) (matches func(*chess.Position, chess.Move) bool, err error) {
	if parts := castling.FindStringSubmatch(san); parts != nil {
		side := chess.KingSideCastle
		if parts[1] != "" {
			side = chess.QueenSideCastle
		}
		return func(_ *chess.Position, move chess.Move) bool { return move.HasTag(side) }, nil
	}
	parts := notation.FindStringSubmatch(san)
	if parts == nil {
		return nil, refuse("is no move in standard notation")
	}
	piece, promotion := chess.Pawn, chess.NoPieceType
	if parts[1] != "" && parts[1] != "P" {
		piece = chess.PieceTypeFromString(strings.ToLower(parts[1]))
	}
	if parts[5] != "" {
		promotion = chess.PieceTypeFromString(strings.ToLower(parts[5]))
	}
	return func(position *chess.Position, move chess.Move) bool {
		from := move.S1().String()
		return position.Board().Piece(move.S1()).Type() == piece &&
			!move.HasTag(chess.KingSideCastle) && !move.HasTag(chess.QueenSideCastle) &&
			strings.HasPrefix(from, parts[2]) && strings.HasSuffix(from, parts[3]) &&
			move.S2().String() == parts[4] && move.Promo() == promotion
	}, nil
}

// forced is the result that the position itself decides; empty while the game could go on.
func forced(position *chess.Position) string {
	switch status := position.Status(); {
	case status == chess.Stalemate:
		return draw
	case status == chess.Checkmate && position.Turn() == chess.White:
		return blackWins
	case status == chess.Checkmate:
		return whiteWins
	default:
		return ""
	}
}

// draw gives the board from White's side.
func (p Position) draw() (string, error) {
	position, err := p.decode()
	if err != nil {
		return "", err
	}
	return strings.TrimPrefix(position.Board().Draw(), "\n"), nil
}
