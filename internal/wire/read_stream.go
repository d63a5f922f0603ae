package wire

// streamRecordBytesMin is three numbers and a record with nothing in it: length, attributes, two deltas, no key, no value, no headers.
const streamRecordBytesMin = 3 + 1 + rawRecordBytesMin

const rawRecordBytesMin = 7

// AppendTo appends the encoded request to dst.
func (m *StreamRequest) AppendTo(dst []byte) []byte {
	dst = append(dst, version)
	dst = appendInt(dst, m.Partition)
	dst = appendBytes(dst, m.Stream)
	dst = appendInt(dst, m.From)
	dst = appendBytes(dst, m.CommandID)
	dst = appendInt(dst, m.MaxBytes)
	dst = appendBool(dst, m.Strict)
	dst = appendUvarint(dst, m.MinEpoch)
	return appendInt(dst, m.MinOffset)
}

// Decode reads a request. Stream and CommandID are views into b.
func (m *StreamRequest) Decode(b []byte) error {
	d := decode("StreamRequest", b, ReadRequestBytesMax)
	*m = StreamRequest{
		Partition: d.int32("partition"),
		Stream:    d.bytes("stream", StreamBytesMax),
		From:      d.int64("from"),
		CommandID: d.bytes("command id", CommandBytesMax),
		MaxBytes:  d.int32("max bytes"),
		Strict:    d.bool("strict"),
		MinEpoch:  d.uvarint("min epoch", maxEpoch),
		MinOffset: d.int64("min offset"),
	}
	return d.end()
}

// AppendTo appends the encoded response to dst.
func (m *StreamResponse) AppendTo(dst []byte) []byte {
	dst = append(dst, version, byte(m.Code))
	dst = appendDetail(dst, m.Detail)
	dst = appendUvarint(dst, m.Epoch)
	dst = appendInt(dst, m.Head)
	dst = appendInt(dst, len(m.Records))
	for i := range m.Records {
		r := &m.Records[i]
		dst = appendInt(dst, r.Version)
		dst = appendInt(dst, r.Offset)
		dst = appendSigned(dst, r.Timestamp)
		dst = appendBytes(dst, r.Raw)
	}
	return dst
}

// Decode reads a response. The slice that m holds is used again; the records' bytes are views into b.
func (m *StreamResponse) Decode(b []byte) error {
	d := decode("StreamResponse", b, PayloadBytesMax)
	m.Code = Code(d.byte("code"))
	m.Detail = d.detail()
	m.Epoch = d.uvarint("epoch", maxEpoch)
	m.Head = d.int64("head")
	m.Records = resize(m.Records, d.count("records", PayloadBytesMax, streamRecordBytesMin))
	for i := range m.Records {
		r := &m.Records[i]
		r.Version = d.int64("version")
		r.Offset = d.int64("offset")
		r.Timestamp = d.signed("timestamp")
		r.Raw = d.bytes("record", PayloadBytesMax)
		if d.err == nil && len(r.Raw) < rawRecordBytesMin {
			d.fail("record", "it is shorter than any record")
		}
		if d.err != nil {
			break
		}
	}
	return d.end()
}
