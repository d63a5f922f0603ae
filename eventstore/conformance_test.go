package eventstore_test

import (
	"testing"

	"github.com/strandlog/strand/eventstore"
	"github.com/strandlog/strand/eventstore/eventstoretest"
)

func TestMemoryIsALog(t *testing.T) {
	eventstoretest.Run(t, func(*testing.T) eventstore.Log { return eventstore.NewMemory() })
}

// One log for all laws: they must not get in each other's way.
func TestMemoryIsALogForAllAtOnce(t *testing.T) {
	log := eventstore.NewMemory()
	eventstoretest.Run(t, func(*testing.T) eventstore.Log { return log })
}
