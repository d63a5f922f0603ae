package brokertest_test

import (
	"errors"
	"testing"
	"time"

	"github.com/strandlog/strand/brokerd/brokertest"
	"github.com/strandlog/strand/commitlog"
)

// TestIsolatedLeader cuts the leader off: its clients are refused soon, those of the others go on, and once healed it has what they stored.
func TestIsolatedLeader(t *testing.T) {
	t.Parallel() // it mostly waits
	c := brokertest.Cluster(t, 3)
	topic, err := c.Client(0).CreateTopic(t.Context(), commitlog.TopicConfig{Name: "events", Partitions: 1})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Client(0).Append(t.Context(), topic, event("a-1", commitlog.NoStream)); err != nil {
		t.Fatal(err)
	}
	alone := leader(t, c, c.Client(0), topic)
	other := (alone + 1) % 3
	c.Isolate(alone)
	cut := time.Now()

	resumed := make(chan error, 1)
	go func() {
		_, err := c.Client(other).Append(t.Context(), topic, event("a-1", 1))
		resumed <- err
	}()
	// The first one may have been on its way, so that nobody knows what became of it. Then the leader knows that it is alone. That takes less than 5 s, and more on
	// a busy machine; a client that has waited in vain for one answer, and has to wait for another, takes more than 8 s.
	var refused error
	for time.Since(cut) < 7*time.Second && !errors.Is(refused, commitlog.ErrNotEnoughReplicas) {
		_, refused = c.Client(alone).Append(t.Context(), topic, event("b-1", commitlog.NoStream))
		if refused == nil {
			t.Fatal("a leader without followers acknowledged an append")
		}
		t.Logf("the isolated leader's client after %v: %v", time.Since(cut), refused)
	}
	if took := time.Since(cut); !errors.Is(refused, commitlog.ErrNotEnoughReplicas) || took > 7*time.Second {
		t.Errorf("the isolated leader's client was told after %v: %v", took, refused)
	}
	began := time.Now()
	if _, err := c.Client(alone).Append(t.Context(), topic, event("b-1", commitlog.NoStream)); !errors.Is(err, commitlog.ErrNotEnoughReplicas) || time.Since(began) > 5*time.Second {
		t.Errorf("the next append was answered after %v: %v", time.Since(began), err)
	}
	if err := <-resumed; err != nil {
		t.Errorf("an append to the majority: %v", err)
	}
	t.Logf("the majority took an append after %v", time.Since(cut))

	c.Heal()
	healed := time.Now()
	for version := int64(2); ; version++ {
		_, err := c.Client(alone).Append(t.Context(), topic, event("a-1", commitlog.Expected(version)))
		if err == nil {
			break
		}
		if time.Since(healed) > 30*time.Second || !errors.Is(err, commitlog.ErrNotEnoughReplicas) {
			t.Fatalf("%v after the cut was mended: %v", time.Since(healed), err)
		}
		version--
	}
	t.Logf("the former leader's client took part again after %v", time.Since(healed))
	count := 0
	for r, err := range c.Client(alone).Records(t.Context(), topic, 0, commitlog.Range{}) {
		if err != nil {
			t.Fatal(err)
		}
		if string(r.Key) == "a-1" {
			count++
		}
	}
	if count != 3 {
		t.Errorf("%d events are left of 3", count)
	}
}
