package recordbatch

import (
	"encoding/binary"
	"hash/crc32"
)

// Stamp writes the place of a whole batch that [Parse] has accepted into its bytes. Neither field is covered by the checksum.
func Stamp(batch []byte, baseOffset int64, leaderEpoch int32) {
	binary.BigEndian.PutUint64(batch[posBaseOffset:], uint64(baseOffset))
	binary.BigEndian.PutUint32(batch[posLeaderEpoch:], uint32(leaderEpoch))
}

// StampTime gives every record of a whole batch that [Parse] has accepted the same time, and computes the checksum again.
// A [Batch] of the same bytes has to be parsed again.
func StampTime(batch []byte, timestampMS int64) {
	be := binary.BigEndian
	be.PutUint16(batch[posAttributes:], be.Uint16(batch[posAttributes:])|attributeAppendTime)
	be.PutUint64(batch[posMaxTimestamp:], uint64(timestampMS))
	be.PutUint32(batch[posChecksum:], crc32.Checksum(batch[posAttributes:], castagnoli))
}

// StampProducer writes who made a whole batch, and its number, into its bytes, and computes the checksum again.
func StampProducer(batch []byte, id int64, epoch int16, baseSequence int32) {
	be := binary.BigEndian
	be.PutUint64(batch[posProducerID:], uint64(id))
	be.PutUint16(batch[posProducerEpoch:], uint16(epoch))
	be.PutUint32(batch[posBaseSequence:], uint32(baseSequence))
	be.PutUint32(batch[posChecksum:], crc32.Checksum(batch[posAttributes:], castagnoli))
}
