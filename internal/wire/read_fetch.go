package wire

// AppendTo appends the encoded request to dst.
func (m *FetchRequest) AppendTo(dst []byte) []byte {
	dst = append(dst, version)
	dst = appendInt(dst, m.Partition)
	dst = appendInt(dst, m.Offset)
	dst = appendInt(dst, m.MaxBytes)
	dst = appendInt(dst, m.MaxWaitMS)
	dst = appendUvarint(dst, m.MinEpoch)
	return appendInt(dst, m.MinOffset)
}

// Decode reads a request.
func (m *FetchRequest) Decode(b []byte) error {
	d := decode("FetchRequest", b, ReadRequestBytesMax)
	*m = FetchRequest{
		Partition: d.int32("partition"),
		Offset:    d.int64("offset"),
		MaxBytes:  d.int32("max bytes"),
		MaxWaitMS: d.int32("max wait"),
		MinEpoch:  d.uvarint("min epoch", maxEpoch),
		MinOffset: d.int64("min offset"),
	}
	return d.end()
}

// AppendTo appends the encoded response to dst.
func (m *FetchResponse) AppendTo(dst []byte) []byte {
	dst = append(dst, version, byte(m.Code))
	dst = appendDetail(dst, m.Detail)
	dst = appendUvarint(dst, m.Epoch)
	dst = appendInt(dst, m.Start)
	dst = appendInt(dst, m.HighWatermark)
	return appendBytes(dst, m.Batches)
}

// Decode reads a response. Batches is a view into b.
func (m *FetchResponse) Decode(b []byte) error {
	d := decode("FetchResponse", b, PayloadBytesMax)
	*m = FetchResponse{
		Code:          Code(d.byte("code")),
		Detail:        d.detail(),
		Epoch:         d.uvarint("epoch", maxEpoch),
		Start:         d.int64("start"),
		HighWatermark: d.int64("high watermark"),
		Batches:       d.bytes("batches", PayloadBytesMax),
	}
	return d.end()
}
