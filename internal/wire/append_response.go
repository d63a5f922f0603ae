package wire

const (
	resultBytesMin      = 3
	writeResultBytesMin = 4
)

// AppendTo appends the encoded response to dst. A result that is OK is encoded without Detail, Write and Actual; any other without
// Duplicate, Timestamp and Writes.
func (m *AppendResponse) AppendTo(dst []byte) []byte {
	dst = append(dst, version, byte(m.Code))
	dst = appendDetail(dst, m.Detail)
	dst = appendUvarint(dst, m.Epoch)
	dst = appendInt(dst, len(m.Results))
	for i := range m.Results {
		dst = m.Results[i].appendTo(dst)
	}
	return dst
}

func (r *AppendResult) appendTo(dst []byte) []byte {
	dst = append(dst, byte(r.Code))
	if r.Code != OK {
		dst = appendDetail(dst, r.Detail)
		dst = appendInt(dst, r.Write)
		return appendInt(dst, r.Actual)
	}
	dst = appendBool(dst, r.Duplicate)
	dst = appendSigned(dst, r.Timestamp)
	dst = appendInt(dst, len(r.Writes))
	for _, w := range r.Writes {
		dst = appendInt(dst, w.Partition)
		dst = appendInt(dst, w.Count)
		dst = appendInt(dst, w.FirstOffset)
		dst = appendInt(dst, w.FirstVersion)
	}
	return dst
}

// Decode reads a response. The slices that m holds are used again.
func (m *AppendResponse) Decode(b []byte) error {
	d := decode("AppendResponse", b, PayloadBytesMax)
	m.Code = Code(d.byte("code"))
	m.Detail = d.detail()
	m.Epoch = d.uvarint("epoch", maxEpoch)
	m.Results = resize(m.Results, d.count("results", AppendsMax, resultBytesMin))
	for i := range m.Results {
		m.Results[i].decode(&d)
		if d.err != nil {
			break
		}
	}
	return d.end()
}

func (r *AppendResult) decode(d *decoder) {
	*r = AppendResult{Code: Code(d.byte("result code")), Writes: r.Writes[:0]}
	if r.Code != OK {
		r.Detail = d.detail()
		r.Write = int(d.uvarint("write", WritesMax-1))
		r.Actual = d.int64("actual")
		return
	}
	r.Duplicate = d.bool("duplicate")
	r.Timestamp = d.signed("timestamp")
	r.Writes = resize(r.Writes, d.count("write results", WritesMax, writeResultBytesMin))
	for i := range r.Writes {
		w := &r.Writes[i]
		w.Partition = d.int32("partition")
		w.Count = d.int32("count")
		w.FirstOffset = d.int64("first offset")
		w.FirstVersion = d.int64("first version")
	}
}
