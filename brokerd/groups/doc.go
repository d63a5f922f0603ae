// Package groups coordinates consumer groups: who is a member, which partitions each member has, and how far they have been read. It is a pure
// state machine: no I/O, no clock, no goroutine.
//
// A [Coordinator] keeps the groups of one partition of the internal table topic "groups". Its shell runs beside the sequencer of that partition, and
// drives it like this:
//
//	c := groups.New(groups.Limits{})
//	for each record of the partition, from its start on { err := c.Apply(record) }
//	err := c.Restarted(now, end) // the sequencer serves
//
//	// When requests of a group wait, or the group is in c.Due(now), and no turn of it is open:
//	d := c.Decide(now, group, requests)
//	if len(d.Records) > 0 {
//		// Append them as one batch. When it is acknowledged:
//		err := c.Stored(now, d, end)
//	}
//	// Give the replies. Requests beyond len(d.Replies) wait for the next turn.
//
// # Turns
//
// A group takes one turn at a time. A turn decides all requests that wait, each on what those before it have changed, and its records are one batch,
// which is in the log as a whole or not at all. Nothing changes before the batch is stored, and then by its records alone, on the way of a replay:
// that is why a failover leads to the same state. A batch that was definitely refused ends with [Coordinator.Dropped]; when its fate is unknown, the
// shell drops the coordinator and replays the log.
//
// The records of a key replace each other, so any order of keys leads to the same state, and tables may be cleaned.
//
// # Assignment
//
// This follows KIP-848. A partition should go to its target, and belongs to its owner. When members come, go or change their subscriptions, targets
// are drawn anew: evenly, and with as few moves as that takes. Members for which there is no partition stand by. A partition that belongs to
// nobody is given to its target in the same transition. One that belongs to another member moves in three steps: the owner's share lists it as
// revoked, the owner stops it, and tells so in [Heartbeat]. Until then the owner works and commits. Otherwise a partition is taken from a member only
// when that leaves or expires, or a new member comes under its instance's name.
//
// An assignment has an epoch: that of the group when the partition was given. A group's epoch rises with every transition of members or assignments.
// A new group begins at the end of the log, and every epoch takes a record; so no assignment of a partition to a group of some name ever has the
// epoch of another one, also after the group was deleted. Sinks fence by it.
//
// A member's epoch is that of the group when its share changed last. With it, a heartbeat says which share the member knows.
//
// # Offsets
//
// A commit counts for an assignment: it is refused when the member does not have the partition under exactly this epoch. So a zombie commits nothing,
// however it became one. Within an assignment commits are numbered; one that is sent again succeeds again, one that was overtaken is refused.
// Committed offsets never go back, but by [ResetOffsets].
//
// Nothing tells a copy of [ResetOffsets] or [Delete] from another request: one that is sent again, because its answer was lost, is done again. A reset
// sets aside what was committed since the first one; with Force the members begin anew once more, and records are processed again. A group that is
// deleted again may be a later one of its name: its offsets are lost then, while epochs still rise. [ErrUnknownGroup] after a lost answer means that
// the group is gone. So operators look at the offsets before they send either again.
//
// # Time
//
// Time is an argument. A member is taken for dead when it was not heard for its session timeout, or does not give up a partition within its rebalance
// timeout. Timers are not in the log: [Coordinator.Restarted] gives every member its timeouts in full. Requests that wait in a turn count before its
// expiries, so a coordinator that was busy takes nobody for dead whom it could have heard.
//
// # Failure
//
// Refusals are typed: a [RefusedError] has one of the kinds beside it. Replies without records, refusals among them, rest on what this coordinator
// knows: the shell gives them only while its sequencer serves, and proves before a refusal that it still does.
//
// Requests may come late, twice and in any order. Resets and deletions are done again then. Nothing else does harm: what a heartbeat releases, and
// what a commit is for, is an assignment that never comes again; a subscription is changed from the newest share on; and any other heartbeat or join
// only lengthens the session of a member that is there.
//
// A join that was delayed until its member had left or expired makes it a member again: a ghost. Ids are drawn for one membership each, and to know
// a used one the log would have to keep all of them. A ghost has what it is given under new epochs. So nothing counts that its process began before,
// which holds for it as for any process that does not know yet that it was taken for dead: it stops when it is heard again, and goes on as the
// ghost. One that has drawn another id by then, or has ended, is not heard under the old one: the ghost's partitions rest until its session ends.
//
// A ghost of an instance has its name as well, unless it was replaced by the member that has it now. It replaces that member, or stands in its place
// when it has expired; the process behind it is told [ErrFencedInstance] then, and ends. Started again, it replaces the ghost at once.
//
// # Testing
//
// testdata holds scripts, one a theme: requests, and what they lead to. TestModel lets processes, network and coordinators fail in random order, with
// copies of all requests that come however late; judge in judge_test.go says what has to be true then.
package groups
