package eventstoretest

import (
	"testing"

	"github.com/strandlog/strand/eventstore"
)

// Run runs the suite. open gives a log, whatever else it may hold; what it needs is released by t.Cleanup.
func Run(t *testing.T, open func(t *testing.T) eventstore.Log) {
	for _, law := range []struct {
		name  string
		check func(*subject)
	}{
		{"topic/is found as it was created", (*subject).testTopicFound},
		{"topic/has defaults", (*subject).testTopicDefaults},
		{"topic/is created once", (*subject).testTopicTwice},
		{"topic/is created once by many", (*subject).testTopicRace},
		{"topic/unknown ones are refused", (*subject).testTopicUnknown},
		{"topic/impossible ones are refused", (*subject).testTopicImpossible},
		{"topic/tells its ends", (*subject).testTopicEnds},
		{"topic/is opened once by many stores", (*subject).testOpenRace},

		{"append/each expectation holds or conflicts", (*subject).testExpectations},
		{"append/versions have no gap", (*subject).testVersions},
		{"append/several streams, all or nothing", (*subject).testAllOrNothing},
		{"append/many writers, one wins each version", (*subject).testOneWinner},
		{"append/many writers that expect nothing lose nothing", (*subject).testManyWriters},
		{"append/a command id answers its first result", (*subject).testCommandID},
		{"append/a command id that conflicted is unused", (*subject).testCommandIDAfterConflict},
		{"append/one command id used by many stores once", (*subject).testCommandIDRace},
		{"append/the same event ids are the same append", (*subject).testSameIDs},
		{"append/the same event ids in several streams", (*subject).testSameIDsInSeveralStreams},
		{"append/what is stored is what was given", (*subject).testContent},
		{"append/memory stays the caller's", (*subject).testCallersMemory},
		{"append/bad names are refused", (*subject).testNames},
		{"append/bad requests are refused", (*subject).testBadAppends},
		{"append/shards are not crossed", (*subject).testShards},
		{"append/an ended context stores nothing", (*subject).testEndedAppend},

		{"condition/each holds or names an event", (*subject).testConditions},
		{"condition/guards all writes or none", (*subject).testConditionsGuardAll},
		{"condition/an append is not ruled out by itself", (*subject).testConditionsAndOwnEvents},
		{"condition/many writers, one wins", (*subject).testConditionsOneWinner},
		{"condition/two that rule each other out are not both stored", (*subject).testConditionsNoSkew},
		{"condition/bad ones are refused", (*subject).testBadConditions},
		{"condition/bad tags are refused", (*subject).testBadTags},

		{"read/a partition is dense and in order", (*subject).testPartitionOrder},
		{"read/groups share a partition", (*subject).testGroups},
		{"read/ranges", (*subject).testRanges},
		{"read/bad ranges are refused", (*subject).testBadRanges},
		{"read/a stream from a version", (*subject).testStreamFrom},
		{"read/a stream ends where it began", (*subject).testStreamEnds},
		{"read/a range ends where it began", (*subject).testRangeEnds},
		{"read/break and begin again", (*subject).testBreak},
		{"read/an ended context ends a read", (*subject).testEndedRead},
		{"read/live, up to an offset", (*subject).testLiveTo},
		{"read/live, without a gap under appends", (*subject).testLive},

		{"time/never runs backwards within a partition", (*subject).testTime},
		{"time/since and until", (*subject).testSinceUntil},

		{"store/events come back as they were appended", (*subject).testEvents},
		{"store/all is complete and ordered within each partition", (*subject).testAll},
		{"store/all goes on behind any cursor", (*subject).testAllAfter},
		{"store/a tail has no gap under appends", (*subject).testTail},
		{"store/a tail begins behind a cursor", (*subject).testTailAfter},
		{"store/several streams, all or nothing", (*subject).testAppendAll},
		{"store/a query finds its events behind a cursor", (*subject).testQuery},
		{"store/a query in a group", (*subject).testQueryGroup},
		{"store/a query of types with old names", (*subject).testQueryOldNames},
		{"store/bad queries are refused", (*subject).testBadQueries},
		{"store/decisions on queries, by many at once", (*subject).testDecisions},
		{"store/positions and cursors of another topic are unreachable", (*subject).testUnreachable},
	} {
		t.Run(law.name, func(t *testing.T) { law.check(&subject{T: t, log: open(t)}) })
	}
}
