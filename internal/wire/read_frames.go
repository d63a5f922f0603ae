package wire

// FramesRequest asks for a part of a shard's log as the engine holds it: for backups.
type FramesRequest struct {
	From     uint64 // engine sequence; 0: the first one
	MaxBytes int32  // what the answer aims at, at least one message
}

// FramesResponse carries committed messages back to back, as they were stored: void ones too.
type FramesResponse struct {
	Code     Code
	Detail   string
	Epoch    uint64
	First    uint64   // engine sequence of the first message; above From when the log was cut in front
	Last     uint64   // of the last committed message of the log
	Messages [][]byte // views into the payload once decoded
}

// MessagesMax bounds the messages of one answer.
const MessagesMax = 1 << 16

// AppendTo appends the encoded request to dst.
func (m *FramesRequest) AppendTo(dst []byte) []byte {
	dst = append(dst, version)
	dst = appendUvarint(dst, m.From)
	return appendInt(dst, m.MaxBytes)
}

// Decode reads a request.
func (m *FramesRequest) Decode(b []byte) error {
	d := decode("FramesRequest", b, ReadRequestBytesMax)
	*m = FramesRequest{From: d.uvarint("from", 1<<63-1), MaxBytes: d.int32("max bytes")}
	return d.end()
}

// AppendTo appends the encoded response to dst.
func (m *FramesResponse) AppendTo(dst []byte) []byte {
	dst = append(dst, version, byte(m.Code))
	dst = appendDetail(dst, m.Detail)
	dst = appendUvarint(dst, m.Epoch)
	dst = appendUvarint(dst, m.First)
	dst = appendUvarint(dst, m.Last)
	dst = appendInt(dst, len(m.Messages))
	for _, msg := range m.Messages {
		dst = appendBytes(dst, msg)
	}
	return dst
}

// Decode reads a response. Messages are views into b.
func (m *FramesResponse) Decode(b []byte) error {
	d := decode("FramesResponse", b, PayloadBytesMax)
	*m = FramesResponse{
		Code:   Code(d.byte("code")),
		Detail: d.detail(),
		Epoch:  d.uvarint("epoch", maxEpoch),
		First:  d.uvarint("first", 1<<63-1),
		Last:   d.uvarint("last", 1<<63-1),
	}
	for range d.uvarint("messages", MessagesMax) {
		if d.err != nil {
			break
		}
		m.Messages = append(m.Messages, d.bytes("message", PayloadBytesMax))
	}
	return d.end()
}
