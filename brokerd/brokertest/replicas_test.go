package brokertest_test

import (
	"errors"
	"testing"
	"time"

	"github.com/strandlog/strand/brokerd/brokertest"
	"github.com/strandlog/strand/commitlog"
)

// TestMinInSync loses one of three copies: a topic that needs three takes nothing, one that needs two goes on.
func TestMinInSync(t *testing.T) {
	c := brokertest.Cluster(t, 3)
	client := c.Client(0)
	var topics []commitlog.Topic
	for name, least := range map[string]int{"two": 2, "three": 3} {
		topic, err := client.CreateTopic(t.Context(), commitlog.TopicConfig{Name: name, Partitions: 1, Shards: 1, MinInSync: least})
		if err != nil {
			t.Fatal(err)
		}
		if topic.MinInSync != least || topic.Replicas != 3 {
			t.Fatalf("topic %s has %d copies and needs %d", name, topic.Replicas, topic.MinInSync)
		}
		topics = append(topics, topic)
		if _, err := client.Append(t.Context(), topic, event("a-1", commitlog.NoStream)); err != nil {
			t.Fatalf("with all copies, topic %s: %v", name, err)
		}
	}
	c.Stop(2)
	for _, topic := range topics {
		eventually(t, 30*time.Second, "an outcome of topic "+topic.Name, func() bool {
			_, err := client.Append(t.Context(), topic, event("b-1", commitlog.Any))
			if topic.MinInSync == 3 {
				return errors.Is(err, commitlog.ErrNotEnoughReplicas)
			}
			return err == nil
		})
	}
	c.Start()
	for _, topic := range topics {
		eventually(t, 60*time.Second, "topic "+topic.Name+" takes appends again", func() bool {
			_, err := client.Append(t.Context(), topic, event("c-1", commitlog.Any))
			return err == nil
		})
	}
}

// TestFiveNodes has a topic with five copies go on without two of them, beside topics with three and with one.
func TestFiveNodes(t *testing.T) {
	c := brokertest.Cluster(t, 5, brokertest.Processes())
	client := dial(t, c.URLs())
	topics := map[int]commitlog.Topic{}
	for replicas, name := range map[int]string{1: "one", 3: "three", 5: "five"} {
		topic, err := client.CreateTopic(t.Context(), commitlog.TopicConfig{Name: name, Partitions: 1, Shards: 1, Replicas: replicas})
		if err != nil {
			t.Fatal(err)
		}
		topics[replicas] = topic
		if _, err := client.Append(t.Context(), topic, event("a-1", commitlog.NoStream)); err != nil {
			t.Fatalf("topic %s: %v", name, err)
		}
		eventually(t, 30*time.Second, "the copies of topic "+name, func() bool {
			now, err := client.Topic(t.Context(), name)
			inSync := 0
			for _, r := range now.Partitions[0].Replicas {
				if r.InSync {
					inSync++
				}
			}
			return err == nil && inSync == replicas
		})
	}
	c.Kill(3)
	c.Kill(4)
	eventually(t, 30*time.Second, "an append with three of five copies", func() bool {
		_, err := client.Append(t.Context(), topics[5], event("b-1", commitlog.Any))
		return err == nil
	})
}
