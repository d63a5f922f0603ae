package wire

// GetRequest asks for the latest record of a key of a table topic.
type GetRequest struct {
	Partition int32
	Key       []byte
	Strict    bool   // wait for a commit that began after the request arrived: the answer is then linearizable
	MinEpoch  uint64 // a node below (MinEpoch, MinOffset) answers Stale
	MinOffset int64
}

// GetResponse carries that record, without its batch. Record is nil when the table does not hold the key.
type GetResponse struct {
	Code      Code
	Detail    string
	Epoch     uint64
	Offset    int64
	Timestamp int64  // ms since 1970
	Newest    int64  // of the key's newest record, which may be one that deletes it, the offset plus 1; 0: there is none
	Record    []byte // as it stands in the batch (with its length prefix); its deltas are to be ignored in favour of Offset and Timestamp
}

// AppendTo appends the encoded request to dst.
func (m *GetRequest) AppendTo(dst []byte) []byte {
	dst = append(dst, version)
	dst = appendInt(dst, m.Partition)
	dst = appendBytes(dst, m.Key)
	dst = appendBool(dst, m.Strict)
	dst = appendUvarint(dst, m.MinEpoch)
	return appendInt(dst, m.MinOffset)
}

// Decode reads a request. Key is a view into b.
func (m *GetRequest) Decode(b []byte) error {
	d := decode("GetRequest", b, ReadRequestBytesMax)
	*m = GetRequest{
		Partition: d.int32("partition"),
		Key:       d.bytes("key", StreamBytesMax),
		Strict:    d.bool("strict"),
		MinEpoch:  d.uvarint("min epoch", maxEpoch),
		MinOffset: d.int64("min offset"),
	}
	return d.end()
}

// AppendTo appends the encoded response to dst.
func (m *GetResponse) AppendTo(dst []byte) []byte {
	dst = append(dst, version, byte(m.Code))
	dst = appendDetail(dst, m.Detail)
	dst = appendUvarint(dst, m.Epoch)
	dst = appendInt(dst, m.Offset)
	dst = appendSigned(dst, m.Timestamp)
	dst = appendInt(dst, m.Newest)
	return appendBytes(dst, m.Record)
}

// Decode reads a response. Record is a view into b.
func (m *GetResponse) Decode(b []byte) error {
	d := decode("GetResponse", b, PayloadBytesMax)
	*m = GetResponse{
		Code:      Code(d.byte("code")),
		Detail:    d.detail(),
		Epoch:     d.uvarint("epoch", maxEpoch),
		Offset:    d.int64("offset"),
		Timestamp: d.signed("timestamp"),
		Newest:    d.int64("newest"),
		Record:    d.bytes("record", PayloadBytesMax),
	}
	if len(m.Record) > 0 && len(m.Record) < rawRecordBytesMin {
		d.fail("record", "it is shorter than any record")
	}
	return d.end()
}
