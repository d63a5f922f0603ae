package wire

import (
	"bytes"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
)

func TestGroupMessagesSurviveTheWire(t *testing.T) {
	id := uuid.MustParse("0190b5a4-7c7e-7000-8000-0123456789ab")
	partition := GroupPartition{Topic: id, Partition: 3}
	assignment := GroupAssignment{GroupPartition: partition, Epoch: 1<<63 - 1}
	offset := GroupOffset{GroupPartition: partition, Offset: 1<<63 - 1, LeaderEpoch: 1<<64 - 1, Metadata: "mine\n"}
	request := GroupRequest{
		Partition: 2, Group: "billing",
		Join:      &GroupJoin{Member: id, Instance: "a", Client: "c", Host: "h", Topics: []GroupTopic{{ID: id, Partitions: 8}}, SessionTimeoutMS: 1, RebalanceTimeoutMS: 2},
		Heartbeat: &GroupHeartbeat{Member: id, Instance: "a", Epoch: 1<<63 - 1, Released: []GroupAssignment{assignment}},
		Leave:     &GroupLeave{Member: id, Instance: "a", Returns: true},
		Commit: &GroupCommit{Member: id, Instance: "a", Epoch: 4, Offsets: []GroupCommitOffset{
			{GroupAssignment: assignment, Sequence: 1<<64 - 1, Offset: 9, LeaderEpoch: 2, Metadata: "m"},
		}},
		Reset:  &GroupReset{Force: true, Offsets: []GroupOffset{offset}},
		Delete: true, Describe: true, List: true,
	}
	response := GroupResponse{
		Code: FencedMember, Detail: "it is", Epoch: 1<<64 - 1,
		Share: &GroupShare{
			Epoch: 5, Assigned: []GroupStart{{GroupAssignment: assignment, Offset: NoGroupOffset, LeaderEpoch: 7}}, Revoked: []GroupAssignment{assignment},
			SessionTimeoutMS: 6000, RebalanceTimeoutMS: 30000,
		},
		Commits: []GroupResult{{Code: OutOfOrder, Detail: "late"}, {}},
		Groups: []GroupInfo{{Name: "billing", State: "stable", Epoch: 5, Size: 1, Offsets: []GroupOffset{offset}, Members: []GroupMemberInfo{{
			Member: id, Instance: "a", Client: "c", Host: "h", State: "stable", Epoch: 4, Topics: []uuid.UUID{id}, SessionTimeoutMS: 1, RebalanceTimeoutMS: 2,
			Heard: time.UnixMilli(1750000000000).UTC(), Assigned: []GroupAssignment{assignment}, Revoked: []GroupAssignment{assignment}, Awaited: []GroupPartition{partition},
		}}}},
	}
	b, err := request.AppendTo(nil)
	if err != nil {
		t.Fatal(err)
	}
	gotRequest := GroupRequest{Group: "an earlier one"}
	if err := gotRequest.Decode(b); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(request, gotRequest); diff != "" {
		t.Errorf("request differs (-sent +got):\n%s", diff)
	}
	if b, err = response.AppendTo(nil); err != nil {
		t.Fatal(err)
	}
	var gotResponse GroupResponse
	if err := gotResponse.Decode(b); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(response, gotResponse); diff != "" {
		t.Errorf("response differs (-sent +got):\n%s", diff)
	}
	for _, bad := range [][]byte{nil, []byte("{"), []byte(`{} x`), []byte(`{"partition":"1"}`), bytes.Repeat([]byte(" "), GroupRequestBytesMax+1)} {
		if err := gotRequest.Decode(bad); err == nil {
			t.Errorf("%.20q was accepted", bad)
		}
	}
}
