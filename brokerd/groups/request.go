package groups

// Request is one of [Join], [Heartbeat], [Leave], [CommitOffsets], [ResetOffsets], [Delete] and [ForgetTopic].
type Request interface {
	// decide lays what the request changes over the turn, or refuses it and changes nothing.
	decide(t *turn) Reply
	// bytes is about the size of the records that it leads to.
	bytes(g *group) int
}

// Reply answers a request. It may be given once the records of its turn are stored.
type Reply struct {
	Err     error   // a [RefusedError]: the request changed nothing
	Share   *Share  // of Join and Heartbeat; nil: it is the one that the member knows
	Commits []error // of CommitOffsets, for each of its offsets; nil: it is committed
}
