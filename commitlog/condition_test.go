package commitlog

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/google/go-cmp/cmp"
	"github.com/strandlog/strand/internal/partitioner"
	"github.com/strandlog/strand/internal/wire"
)

func TestConditionsAreSent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBroker(1)
		c, topic := b.connect(t, Config{})
		for range 2 { // the packer's memory is used again
			a := one("account-alice", Any)
			a.Conditions = []Condition{{Partition: 3, After: 7, Types: []string{"account.opened", "account.closed"}, Tags: []string{"name:alice"}}, {Partition: 1}}
			if _, err := c.Append(t.Context(), topic, a); err != nil {
				t.Fatal(err)
			}
			if _, err := c.Append(t.Context(), topic, one("account-alice", Any)); err != nil {
				t.Fatal(err)
			}
		}
		bytes := func(s string) []byte { return []byte(s) }
		want := []wire.Condition{
			{Partition: 3, After: 7, Types: [][]byte{bytes("account.opened"), bytes("account.closed")}, Tags: [][]byte{bytes("name:alice")}},
			{Partition: 1},
		}
		for i, req := range b.appends {
			got := req.Appends[0].Conditions
			if i%2 == 1 {
				if len(got) != 0 {
					t.Errorf("an append without conditions was sent with %+v", got)
				}
				continue
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("conditions differ (-want +got):\n%s", diff)
			}
		}
	})
}

func TestAFailedConditionIsNamed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBroker(1)
		b.append = func(req wire.AppendRequest) (wire.AppendResponse, error) {
			return answerAll(req, wire.AppendResult{Code: wire.ConditionFailed, Write: 1, Actual: 17}), nil
		}
		c, topic := b.connect(t, Config{})
		a := one("account-alice", Any)
		a.Conditions = []Condition{{Partition: 3}, {Partition: 2, After: 12, Types: []string{"user.named"}, Tags: []string{"name:alice", "region:eu"}}}
		_, err := c.Append(t.Context(), topic, a)
		failed, ok := errors.AsType[*ConditionError](err)
		if want := (&ConditionError{Topic: "events", Index: 1, Condition: a.Conditions[1], Offset: 17}); !ok || cmp.Diff(want, failed) != "" {
			t.Fatalf("got %+v, want %+v", err, want)
		}
		want := `commitlog: the append to topic "events" wants no event of type "user.named" tagged "name:alice" and "region:eu" from offset 12 of partition 2 on, and there is one at offset 17: read on from offset 12 and decide again`
		if err.Error() != want {
			t.Errorf("it says\n%s, want\n%s", err, want)
		}
		// An answer about a condition that was not sent is not to be trusted.
		a.Conditions = a.Conditions[:1]
		if _, err := c.Append(t.Context(), topic, a); !errors.Is(err, ErrIndefinite) || errors.Is(err, ErrConditionFailed) {
			t.Errorf("condition 1 of 1: %v", err)
		}
	})
}

func TestImpossibleConditionsAreRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBroker(2)
		c, topic := b.connect(t, Config{})
		a := one("account-alice", Any)
		own := partitioner.Partition("account-alice", testPartitions)
		for name, test := range map[string]struct {
			condition Condition
			want      error
			named     string
		}{
			"no such partition": {Condition{Partition: testPartitions}, ErrInvalid, "0 to 3"},
			"before the log":    {Condition{Partition: own, After: -1}, ErrInvalid, "-1"},
			"another shard":     {Condition{Partition: (own + 1) % testPartitions}, ErrShards, "{group}"},
			"and so invalid":    {Condition{Partition: (own + 1) % testPartitions}, ErrInvalid, "account-alice"},
			"empty type":        {Condition{Partition: own, Types: []string{""}}, ErrInvalidName, "event type"},
			"long tag":          {Condition{Partition: own, Tags: []string{strings.Repeat("t", 256)}}, ErrInvalidName, "tag"},
			"many tags":         {Condition{Partition: own, Tags: strings.Split(strings.Repeat("t", wire.TermsMax+1), "")}, ErrAppendTooLarge, "tags"},
		} {
			a.Conditions = []Condition{test.condition}
			if _, err := c.Append(t.Context(), topic, a); !errors.Is(err, test.want) || !strings.Contains(err.Error(), test.named) {
				t.Errorf("%s: %v", name, err)
			}
		}
		a.Conditions = make([]Condition, wire.ConditionsMax+1)
		if _, err := c.Append(t.Context(), topic, a); !errors.Is(err, ErrAppendTooLarge) {
			t.Errorf("many conditions: %v", err)
		}
		a.Writes, a.Conditions = nil, []Condition{{Partition: own}}
		if _, err := c.Append(t.Context(), topic, a); !errors.Is(err, ErrInvalid) {
			t.Errorf("conditions alone: %v", err)
		}
		if len(b.appends) > 0 {
			t.Errorf("%d requests were sent", len(b.appends))
		}
	})
}

func TestTagsThatNoConditionCanNameAreRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBroker(1)
		c, topic := b.connect(t, Config{})
		for name, test := range map[string]struct {
			headers []Header
			want    error
		}{
			"an empty tag": {[]Header{{wire.HeaderTag, nil}}, ErrInvalidName},
			"a long tag":   {[]Header{{wire.HeaderTag, make([]byte, 256)}}, ErrInvalidName},
			"a long type":  {[]Header{{wire.HeaderType, make([]byte, 256)}}, ErrInvalidName},
			"many tags":    {slices.Repeat([]Header{Header{wire.HeaderTag, []byte("t")}}, wire.TermsMax+1), ErrAppendTooLarge},
			"all that fit": {slices.Repeat([]Header{Header{wire.HeaderTag, make([]byte, 255)}}, wire.TermsMax), nil},
		} {
			a := one("account-alice", Any)
			a.Writes[0].Events[0].Headers = test.headers
			if _, err := c.Append(t.Context(), topic, a); !errors.Is(err, test.want) {
				t.Errorf("%s: %v", name, err)
			}
		}
	})
}
