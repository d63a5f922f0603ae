package aggregates

// HandleOption says what holds for one Handle.
type HandleOption func(*handleOptions)

type handleOptions struct {
	version   int64
	versioned bool // version counts
	commandID string
}

// IfVersion handles the command only while the aggregate is at version n, as the caller has seen it; 0 means that it does not
// exist. At another version Handle returns an
// [eventstore.ErrConflict] (*[eventstore.ConflictError]) and does not retry.
func IfVersion(n int64) HandleOption {
	return func(o *handleOptions) { o.version, o.versioned = n, true }
}

// CommandID names the command, so that it is handled at most once however often it is sent: when the aggregate's stream holds
// events of an earlier handling under this id, Handle returns those and appends nothing. The id is looked up before Decide, so the
// answer is the same after the state has changed, whatever IfVersion says. A command that was refused, or from which nothing
// followed, has left no trace: it is decided again.
func CommandID(id string) HandleOption {
	return func(o *handleOptions) { o.commandID = id }
}
