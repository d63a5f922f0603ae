package brokertest_test

import (
	"os"
	"testing"
	"time"

	"github.com/strandlog/strand/brokerd/brokertest"
	"github.com/strandlog/strand/commitlog"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	os.Exit(brokertest.Main(m, func(m *testing.M) int {
		goleak.VerifyTestMain(m) // it exits
		return 0
	}))
}

func event(stream string, expected commitlog.Expected) commitlog.Append {
	return commitlog.Append{Writes: []commitlog.Write{{Stream: stream, Expected: expected, Events: []commitlog.NewRecord{{Value: []byte("{}")}}}}}
}

func TestCluster(t *testing.T) {
	began := time.Now()
	c := brokertest.Cluster(t, 3)
	t.Logf("three nodes after %v", time.Since(began))
	topic, err := c.Client(1).CreateTopic(t.Context(), commitlog.TopicConfig{Name: "events", Partitions: 6})
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("topic after %v: %+v", time.Since(began), topic)
	for i := range 3 {
		of, err := c.Client(i).Topic(t.Context(), "events")
		if err != nil {
			t.Fatal(err)
		}
		for v := range int64(5) {
			if _, err := c.Client(i).Append(t.Context(), of, event([]string{"a-1", "b-1", "c-1"}[i], commitlog.Expected(v))); err != nil {
				t.Fatal(err)
			}
		}
	}
	t.Logf("appended after %v", time.Since(began))
	c.Stop(0)
	t.Logf("stopped one after %v", time.Since(began))
	for v := range int64(5) {
		if _, err := c.Client(1).Append(t.Context(), topic, event("a-1", commitlog.Expected(v+5))); err != nil {
			t.Fatal(err)
		}
		if _, err := c.Client(1).Append(t.Context(), topic, event("b-1", commitlog.Expected(v+5))); err != nil {
			t.Fatal(err)
		}
		if _, err := c.Client(2).Append(t.Context(), topic, event("c-1", commitlog.Expected(v+5))); err != nil {
			t.Fatal(err)
		}
	}
	t.Logf("appended more after %v", time.Since(began))
	c.Start()
	t.Logf("started again after %v", time.Since(began))
}

// TestAlone kills a node that is alone, and finds what it was told when it is back.
func TestAlone(t *testing.T) {
	c := brokertest.Cluster(t, 1, brokertest.Processes())
	client := dial(t, c.URLs())
	topic, err := client.CreateTopic(t.Context(), commitlog.TopicConfig{Name: "events", Partitions: 1})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := client.Append(t.Context(), topic, event("account-1", commitlog.NoStream)); err != nil {
		t.Fatal(err)
	}
	c.Kill(0)
	c.Start()
	found := 0
	for _, err := range client.Records(t.Context(), topic, 0, commitlog.Range{}) {
		if err != nil {
			t.Fatal(err)
		}
		found++
	}
	if found != 1 {
		t.Errorf("the node came back with %d records", found)
	}
}
