package broker_test

import (
	"testing"

	"github.com/strandlog/strand/brokerd/broker"
	"github.com/strandlog/strand/eventstore"
	"github.com/strandlog/strand/eventstore/eventstoretest"
)

// TestLog holds the broker to the law for logs, which eventstore.NewMemory is held to as well.
func TestLog(t *testing.T) {
	b := start(t, broker.Config{})
	eventstoretest.Run(t, func(*testing.T) eventstore.Log { return b.Client() })
}
