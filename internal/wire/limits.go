package wire

// The limits hold together: an append always fits in one engine message, and every length is checked against them before memory is taken.
const (
	AppendBytesMax  = 4 << 20  // one encoded append, and one request
	StoredBytesMax  = 7 << 20  // an append as it is stored: each event with its stream's name, command id, headers, value and RecordOverhead
	RecordOverhead  = 128      // bounds what a stored record takes beyond those: lengths, deltas and the sequencer's own headers
	RecordBytesMax  = 1 << 20  // a record's value
	HeadersBytesMax = 64 << 10 // a record's encoded headers
	StreamBytesMax  = 255      // a stream name
	CommandBytesMax = 255      // a command id
	AppendsMax      = 512      // appends in one request
	BatchesMax      = 256      // batches in one produce request
	SequencesKept   = 1024     // how far below a producer's newest sequence the sequencer remembers answers; above AppendsMax, so that a retry finds its own
	WritesMax       = 128      // writes in one append
	EventsMax       = 10000    // events in one append
	ConditionsMax   = 64       // conditions in one append
	UnchangedMax    = 64       // keys that a batch expects and does not write
	PayloadBytesMax = 8 << 20  // an engine message and every NATS payload
	FetchBytesMax   = 4 << 20  // what one fetch or stream answer aims at
	PartitionsMax   = 1024     // partitions of a topic
	TopicBytesMax   = 100      // a topic name
	GroupBytesMax   = 200      // the name of a consumer group

	TermsMax             = 64       // types, and tags, of one condition
	TermBytesMax         = 255      // a type or a tag
	DetailBytesMax       = 4 << 10  // an explanation; longer ones are cut
	ReadRequestBytesMax  = 1 << 10  // a fetch or stream request
	TopicRequestBytesMax = 16 << 10 // a catalogue request
	GroupRequestBytesMax = 2 << 20  // a request to a group's coordinator
)
