package groups_test

import (
	"fmt"
	"time"

	"github.com/google/uuid"

	"github.com/strandlog/strand/brokerd/groups"
)

func Example() {
	now := time.Unix(0, 0)
	clicks, a, b := uuid.UUID{1}, uuid.UUID{2}, uuid.UUID{3}
	var log []groups.Record

	coordinator := groups.New(groups.Limits{})
	ask := func(r groups.Request) groups.Reply {
		d := coordinator.Decide(now, "dashboard", []groups.Request{r})
		if len(d.Records) > 0 {
			log = append(log, d.Records...) // an append to the groups topic, acknowledged
			if err := coordinator.Stored(now, d, int64(len(log))); err != nil {
				fmt.Println(err)
			}
		}
		return d.Replies[0]
	}

	share := ask(groups.Join{Member: a, Topics: []groups.Topic{{ID: clicks, Partitions: 2}}}).Share
	fmt.Println("a has", len(share.Assigned))
	fmt.Println("b has", len(ask(groups.Join{Member: b, Topics: []groups.Topic{{ID: clicks, Partitions: 2}}}).Share.Assigned))

	share = ask(groups.Heartbeat{Member: a, Epoch: share.Epoch}).Share
	fmt.Println("a has", len(share.Assigned), "and gives up", len(share.Revoked))
	ask(groups.Heartbeat{Member: a, Epoch: share.Epoch, Released: share.Revoked})
	fmt.Println("b has", len(ask(groups.Heartbeat{Member: b}).Share.Assigned))

	// Another node reads the log, and a is not heard any more.
	coordinator = groups.New(groups.Limits{})
	for _, r := range log {
		if err := coordinator.Apply(r); err != nil {
			fmt.Println(err)
		}
	}
	if err := coordinator.Restarted(now, int64(len(log))); err != nil {
		fmt.Println(err)
	}
	now = now.Add(5 * time.Second)
	ask(groups.Heartbeat{Member: b})
	now = now.Add(time.Second)
	fmt.Println("b has", len(ask(groups.Heartbeat{Member: b}).Share.Assigned))
	d, err := coordinator.Describe("dashboard")
	fmt.Println(d.State, len(d.Members), err)
	// Output:
	// a has 2
	// b has 0
	// a has 1 and gives up 1
	// b has 1
	// b has 2
	// stable 1 <nil>
}
