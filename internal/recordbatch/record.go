package recordbatch

// recordBytesMin is a record's least size: its length, attributes, two deltas, key length, value length and header count take a byte each.
const recordBytesMin = 7

// Record is one record of a batch. Key, Value and Headers are views into the batch's bytes, or into what those were compressed from;
// a null key or value is nil.
type Record struct {
	Offset    int64
	Timestamp int64 // ms since 1970
	Key       []byte
	Value     []byte
	Headers   Headers
	Pos       int // of the record's first byte (its length prefix) in the batch; -1 when the batch is compressed
	Len       int // bytes of the record with its length prefix; 0 when the batch is compressed
}

// DecodeRecord decodes one record that was cut out of its batch (bytes Pos to Pos+Len). Without the batch its deltas mean nothing
// and are ignored. n is the number of bytes that the record takes; raw may go on behind it.
// It returns [ErrShort] when raw ends within the record and [ErrCorrupt] when the record is malformed. No checksum is checked.
func DecodeRecord(raw []byte) (key, value []byte, h Headers, n int, err error) {
	f, n, err := decodeFields(raw)
	return f.key, f.value, f.headers, n, err
}

// fields is a decoded record whose deltas have not been resolved.
type fields struct {
	timestampDelta int64
	offsetDelta    int
	key, value     []byte
	headers        Headers
}

// decodeFields decodes the record at the beginning of raw and returns the number of its bytes.
func decodeFields(raw []byte) (f fields, n int, err error) {
	length, at := varint32(raw, 0)
	if at == 0 {
		if len(raw) < varint32BytesMax {
			return fields{}, 0, short(0, "the record's length is cut off")
		}
		return fields{}, 0, corrupt(0, "the record's length is malformed")
	}
	if length < recordBytesMin-1 {
		return fields{}, 0, corrupt(0, "a record cannot have %d bytes", length)
	}
	if length > len(raw)-at {
		return fields{}, 0, short(at, "the record has %d bytes, %d are there", length, len(raw)-at)
	}
	n = at + length
	body := raw[:n:n]

	at++ // attributes: unused, and Kafka ignores them too
	if f.timestampDelta, at = varint64(body, at); at == 0 {
		return fields{}, 0, corrupt(n-length, "the record's timestamp is malformed")
	}
	if f.offsetDelta, at = varint32(body, at); at == 0 {
		return fields{}, 0, corrupt(n-length, "the record's offset is malformed")
	}
	if f.key, at = bytesField(body, at); at == 0 {
		return fields{}, 0, corrupt(n-length, "the record's key is malformed")
	}
	if f.value, at = bytesField(body, at); at == 0 {
		return fields{}, 0, corrupt(n-length, "the record's value is malformed")
	}
	count, at := varint32(body, at)
	if at == 0 {
		return fields{}, 0, corrupt(n-length, "the record's header count is malformed")
	}
	if f.headers, err = ParseHeaders(body[at:], count); err != nil {
		return fields{}, 0, shift(err, at)
	}
	return f, n, nil
}
