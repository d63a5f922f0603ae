package wire

// Header keys of a stored record. The sequencer writes the first three; the rest are the client's.
const (
	HeaderID            = "id"      // event id, 16 bytes (UUIDv7); first header of every native record
	HeaderVersion       = "v"       // version within the stream, 8 bytes big-endian
	HeaderProducer      = "p"       // on the first record of each write: producer 8, epoch 4, sequence 8, index of the write 2, events of the write 4, content hash 8 bytes, big-endian
	HeaderType          = "type"    // event type on the log, category.name
	HeaderContentType   = "content" // absent: application/json
	HeaderCommandID     = "command-id"
	HeaderCorrelationID = "correlation-id"
	HeaderCausationID   = "causation-id"
	HeaderTraceparent   = "traceparent"
	HeaderTracestate    = "tracestate"
	HeaderTenant        = "tenant"
	HeaderActor         = "actor"
	HeaderTag           = "tag" // once for each tag
)
