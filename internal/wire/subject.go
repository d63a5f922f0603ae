package wire

import (
	"fmt"

	"github.com/google/uuid"
)

// Subjects of the catalogue requests. Questions are answered by any node, see [NodeSubject]; changes are made by the one that leads the catalogue.
const (
	SubjectTopicCreate   = "strand.topics.create"
	SubjectTopicDescribe = "strand.topics.describe"
	SubjectTopicList     = "strand.topics.list"
	SubjectCluster       = "strand.cluster.describe"
	SubjectTopicAlter    = "strand.topics.alter"
	SubjectTopicDelete   = "strand.topics.delete"
)

// NodeSubject is where one node answers questions, by the id that the engine tells every client that connects to it. A client asks the node that it is connected
// to, and others when that does not serve yet: the engine gives a question to nodes at random, and goes on to give it to those that it has lost contact with and
// does not know it yet.
func NodeSubject(subject, server string) string { return subject + "." + server }

// The verbs of a shard's subjects.
const (
	VerbAppend       = "append"
	VerbFetch        = "fetch"
	VerbStream       = "stream"
	VerbProduce      = "produce"
	VerbGet          = "get"
	VerbDeleteBefore = "delete-before"
	VerbFrames       = "frames"
	VerbGroup        = "group" // of the groups topic: its shards' coordinators
)

// ShardSubject is where one session of a shard's sequencer answers a verb. It is subscribed only while that session serves,
// so a request that was addressed to an earlier session can never be evaluated by a later one.
func ShardSubject(verb string, topic uuid.UUID, shard int, session uint64) string {
	return fmt.Sprintf("strand.%s.%s.%d.%016x", verb, topic, shard, session)
}
