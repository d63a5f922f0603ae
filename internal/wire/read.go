package wire

// FetchRequest asks for stored batches of one partition from an offset on. It waits up to MaxWaitMS for the first record beyond the end.
type FetchRequest struct {
	Partition int32
	Offset    int64
	MaxBytes  int32 // at least one batch is answered even if it is larger
	MaxWaitMS int32
	MinEpoch  uint64 // a node below (MinEpoch, MinOffset) answers Stale
	MinOffset int64
}

// FetchResponse carries whole RecordBatch v2s, back to back. The first may begin below the requested offset: the client skips.
type FetchResponse struct {
	Code          Code
	Detail        string
	Epoch         uint64
	Start         int64 // first offset held
	HighWatermark int64 // next offset after the last committed record
	Batches       []byte
}

// StreamRequest asks for the records of one stream from a version on.
type StreamRequest struct {
	Partition int32
	Stream    []byte
	From      int64  // first version wanted, from 1
	CommandID []byte // not empty: only the records written under this command id, from the first of them that is not below From
	MaxBytes  int32
	Strict    bool // wait for a commit that began after the request arrived: the answer is then linearizable
	MinEpoch  uint64
	MinOffset int64
}

// StreamResponse carries records by ascending version. Head is the stream's version at the time of the answer (0: no such stream);
// when a command id was asked for, it is the last version of that command (0: the stream has not seen it).
type StreamResponse struct {
	Code    Code
	Detail  string
	Epoch   uint64
	Head    int64
	Records []StreamRecord
}

// StreamRecord is one stored record outside its batch. Raw is the record as it stands in the batch (with its length prefix);
// its deltas are to be ignored in favour of Offset and Timestamp.
type StreamRecord struct {
	Version   int64
	Offset    int64
	Timestamp int64 // ms since 1970
	Raw       []byte
}
