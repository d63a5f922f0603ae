package shard

import (
	"errors"
	"testing"

	"github.com/google/uuid"
	"github.com/strandlog/strand/internal/wire"
)

// TestAdmission: while a node cannot store, what is new is refused for good, what is stored is answered as ever, and reads go on.
func TestAdmission(t *testing.T) {
	admission := &Admission{}
	f := newFixture(t)
	f.close()
	s, err := Open(t.Context(), Config{Log: f.log, Dir: f.dir, LogID: f.logID, Layout: testLayout, Admission: admission})
	if err != nil {
		t.Fatal(err)
	}
	f.Shard = s
	f.mustAppend("s-0", wire.NoStream, 2)
	again := wire.Append{Sequence: 100, Writes: []wire.Write{{
		Stream: []byte("s-0"), Partition: partitionOf("s-0"), Expected: wire.Any, Events: []wire.Event{{ID: uuid.New()}},
	}}}
	if r := f.send(again); r.Code != wire.OK {
		t.Fatal(r)
	}
	frames := f.Status().Stats.Events

	admission.Refuse(errors.New("the disk of the test is full"))
	if r := f.append("s-0", 3, 1); r.Code != wire.NoStorage || r.Detail != "the disk of the test is full" {
		t.Errorf("an append: %v %q", r.Code, r.Detail)
	}
	if r := f.send(again); r.Code != wire.OK || !r.Duplicate {
		t.Errorf("an append that is stored: %+v", r)
	}
	req := wire.StreamRequest{Partition: partitionOf("s-0"), Stream: []byte("s-0"), From: 1, MaxBytes: 1 << 20, Strict: true}
	if r := f.Stream(t.Context(), req, nil); r.Code != wire.OK || len(r.Records) != 3 {
		t.Errorf("a strict read: %v, %d records", r.Code, len(r.Records))
	}
	if n := f.Status().Stats.Events; n != frames {
		t.Errorf("%d events were stored meanwhile", n-frames)
	}
	if info := f.ShardInfo("node"); info.State != wire.ShardServing {
		t.Errorf("it is described as %s", info.State)
	}

	admission.Admit()
	f.mustAppend("s-0", 3, 1)
	f.agree()
	f.close()
}
