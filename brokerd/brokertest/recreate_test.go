package brokertest_test

import (
	"errors"
	"testing"

	"github.com/strandlog/strand/brokerd/brokertest"
	"github.com/strandlog/strand/commitlog"
)

// TestRecreateTopic deletes a topic with appends in flight and makes another one of its name: what was meant for the first never gets into the second.
func TestRecreateTopic(t *testing.T) {
	c := brokertest.Cluster(t, 3)
	client := dial(t, c.URLs())
	create := func() commitlog.Topic {
		t.Helper()
		topic, err := client.CreateTopic(t.Context(), commitlog.TopicConfig{Name: "events", Partitions: 6})
		if err != nil {
			t.Fatal(err)
		}
		return topic
	}
	begin := func(topic commitlog.Topic) (w *told, stop func()) {
		w = newTold()
		return w, w.begin(t, topic, 8, func(i int) *commitlog.Client { return c.Client(i % c.Size()) })
	}
	old := create()
	before, stop := begin(old)
	for range rounds(3, 30) {
		before.await(t, 50)
		if err := client.DeleteTopic(t.Context(), old.ID); err != nil {
			t.Fatal(err)
		}
		topic := create()
		if topic.ID == old.ID {
			t.Fatal("the second topic has the first one's id")
		}
		after, stopAfter := begin(topic) // on the same clients, which still write to the first
		after.await(t, 50)
		if _, err := c.Client(0).Append(t.Context(), old, event("a-1", commitlog.Any)); !errors.Is(err, commitlog.ErrUnknownTopic) {
			t.Errorf("an append to the topic that was deleted: %v", err)
		}
		stop()
		if len(before.stored) < 50 {
			t.Errorf("the first topic took %d appends", len(before.stored))
		}
		after.mu.Lock()
		failures := len(after.failures)
		if failures > 0 {
			t.Errorf("appends to the second topic failed: %v", after.failures)
		}
		after.mu.Unlock()
		checked, stopChecked := after, stopAfter
		stopChecked()
		checked.check(t, client, topic) // an event of the first would be one that nobody was told of
		t.Logf("the first took %d appends, %d are indefinite, %d were refused; the second took %d", len(before.stored), len(before.indefinite), len(before.refused), len(after.stored))
		old = topic
		before, stop = begin(topic)
	}
	stop()
}
