package wire

// DeleteBeforeRequest moves the start of a partition of a plain or table topic forward: the records below Offset are gone once it is answered.
// A start never moves back; an offset at or below it changes nothing.
type DeleteBeforeRequest struct {
	Partition int32
	Offset    int64 // at most the high watermark
}

// DeleteBeforeResponse says where the partition starts now. OffsetRange: the offset lies beyond the high watermark.
type DeleteBeforeResponse struct {
	Code          Code
	Detail        string
	Epoch         uint64
	Start         int64
	HighWatermark int64
}

// AppendTo appends the encoded request to dst.
func (m *DeleteBeforeRequest) AppendTo(dst []byte) []byte {
	dst = append(dst, version)
	dst = appendInt(dst, m.Partition)
	return appendInt(dst, m.Offset)
}

// Decode reads a request.
func (m *DeleteBeforeRequest) Decode(b []byte) error {
	d := decode("DeleteBeforeRequest", b, ReadRequestBytesMax)
	*m = DeleteBeforeRequest{Partition: d.int32("partition"), Offset: d.int64("offset")}
	return d.end()
}

// AppendTo appends the encoded response to dst.
func (m *DeleteBeforeResponse) AppendTo(dst []byte) []byte {
	dst = append(dst, version, byte(m.Code))
	dst = appendDetail(dst, m.Detail)
	dst = appendUvarint(dst, m.Epoch)
	dst = appendInt(dst, m.Start)
	return appendInt(dst, m.HighWatermark)
}

// Decode reads a response.
func (m *DeleteBeforeResponse) Decode(b []byte) error {
	d := decode("DeleteBeforeResponse", b, PayloadBytesMax)
	*m = DeleteBeforeResponse{
		Code:          Code(d.byte("code")),
		Detail:        d.detail(),
		Epoch:         d.uvarint("epoch", maxEpoch),
		Start:         d.int64("start"),
		HighWatermark: d.int64("high watermark"),
	}
	return d.end()
}
