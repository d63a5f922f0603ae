package commitlog

// StreamQuery says which records of a stream to read.
type StreamQuery struct {
	Stream    string
	From      int64  // first version wanted; 0 counts as 1
	CommandID string // not empty: only the records that were written under this command id; From is then ignored
	Strict    bool   // see at least what had been appended, by anyone, when the call began. It costs a commit
}

// StreamRecord is a record with its version in its stream.
type StreamRecord struct {
	Record
	Version int64
}
