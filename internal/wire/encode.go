package wire

import "encoding/binary"

// The encoders mirror decoder's methods of the same names.

func appendBool(dst []byte, v bool) []byte {
	if v {
		return append(dst, 1)
	}
	return append(dst, 0)
}

func appendUvarint(dst []byte, v uint64) []byte { return binary.AppendUvarint(dst, v) }

// appendInt encodes a number that is never negative.
func appendInt[T int | int32 | int64](dst []byte, v T) []byte {
	return binary.AppendUvarint(dst, uint64(v))
}

func appendSigned(dst []byte, v int64) []byte { return binary.AppendVarint(dst, v) }

func appendBytes[T []byte | string](dst []byte, v T) []byte {
	dst = binary.AppendUvarint(dst, uint64(len(v)))
	return append(dst, v...)
}

func appendNullable(dst, v []byte) []byte {
	if v == nil {
		return append(dst, 0)
	}
	dst = binary.AppendUvarint(dst, uint64(len(v))+1)
	return append(dst, v...)
}
