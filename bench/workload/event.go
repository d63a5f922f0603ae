package workload

import (
	"encoding/base64"
	"fmt"
	"math/rand/v2"
)

// PayloadBytes is the size of an event unless a benchmark says otherwise.
const PayloadBytes = 256

// RecordBytes is the size of the records of throughput: what counts there is bytes.
const RecordBytes = 1 << 10

// Random is a block of incompressible bytes. Payloads are cut from it at changing places: that costs nothing, and no two neighbours are equal.
type Random struct{ block []byte }

// NewRandom draws a block. It is the same in every process.
func NewRandom() *Random {
	block := make([]byte, 1<<20)
	source := rand.NewChaCha8([32]byte{'b', 'e', 'n', 'c', 'h'})
	_, _ = source.Read(block) // it never fails
	return &Random{block}
}

// Payload is the payload of the n-th event. It must not be changed.
func (r *Random) Payload(n int) []byte {
	return r.Bytes(n, PayloadBytes)
}

// Bytes are so many bytes, the n-th of their kind. They must not be changed.
func (r *Random) Bytes(n, size int) []byte {
	at := n * 37 % (len(r.block) - size)
	return r.block[at : at+size]
}

// Noted is the typed event. As JSON it takes PayloadBytes.
type Noted struct {
	N    int    `json:"n"`
	Text string `json:"text"`
}

// jsonFrame is what {"n":12345678,"text":""} takes beside the text.
const jsonFrame = len(`{"n":,"text":""}`) + 8

// Noted is the n-th typed event.
func (r *Random) Noted(n int) Noted {
	const size = PayloadBytes - jsonFrame
	at := n * 37 % (len(r.block) - size)
	text := base64.RawURLEncoding.EncodeToString(r.block[at : at+size])
	return Noted{N: 10_000_000 + n%90_000_000, Text: text[:size]}
}

// Category is that of all streams.
const Category = "account"

// Key is the key of the i-th stream.
func Key(i int) string { return fmt.Sprintf("%08d", i) }

// Stream is the name of the i-th stream.
func Stream(i int) string { return Category + "-" + Key(i) }
