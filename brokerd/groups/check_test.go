package groups

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
)

// TestContradictions: records that can each be read and do not go together end a replay, with the reason.
func TestContradictions(t *testing.T) {
	type row struct {
		key   key
		value []byte
	}
	self := row{key{}, encodeGroup(5, 2)}
	member := func(name, instance string, number, epoch uint64) row {
		m := &member{number: number, epoch: epoch, instance: instance, session: time.Second, rebalance: time.Second, topics: []uuid.UUID{named("t")}}
		return row{key{kind: kindMember, id: named(name)}, m.encode()}
	}
	topic := func(name string, slots ...slot) row {
		return row{key{kind: kindTopic, id: named(name)}, (&topic{slots: slots}).encode()}
	}
	has := slot{target: 1, owner: 1, epoch: 5}
	for name, c := range map[string]struct {
		rows []row
		want string // "": it is fine
	}{
		"nothing wrong":       {[]row{self, member("a", "", 1, 5), topic("t", has)}, ""},
		"no group":            {[]row{member("a", "", 1, 5), topic("t", has)}, "no record of its own"},
		"number 0":            {[]row{self, member("a", "", 0, 5), topic("t", has)}, "number 0 of 2"},
		"a number of nobody":  {[]row{self, member("a", "", 3, 5), topic("t", has)}, "number 3 of 2"},
		"a number twice":      {[]row{self, member("a", "", 1, 5), member("b", "", 1, 5), topic("t", has)}, "have the number 1"},
		"an instance twice":   {[]row{self, member("a", "i", 1, 5), member("b", "i", 2, 5), topic("t", has)}, `are the instance "i"`},
		"no epoch":            {[]row{self, member("a", "", 1, 0), topic("t", has)}, "at epoch 0"},
		"ahead of its group":  {[]row{self, member("a", "", 1, 6), topic("t", has)}, "at epoch 6"},
		"no topic":            {[]row{self, member("a", "", 1, 5)}, "there is no record"},
		"an owner of nobody":  {[]row{self, member("a", "", 1, 5), topic("t", slot{target: 1, owner: 2, epoch: 5})}, "not there"},
		"a target of nobody":  {[]row{self, member("a", "", 1, 5), topic("t", slot{target: 2})}, "not there"},
		"a target that is no": {[]row{self, member("a", "", 1, 5), topic("t", has), topic("u", has)}, "does not subscribe"},
		"an epoch to come":    {[]row{self, member("a", "", 1, 5), topic("t", slot{target: 1, owner: 1, epoch: 6})}, "under epoch 6"},
		"a topic of nobody":   {[]row{self, member("a", "", 1, 5), topic("t", has), topic("u", slot{})}, "concerns no member"},
	} {
		coordinator := New(Limits{})
		for _, r := range c.rows {
			r.key.group = "g"
			if err := coordinator.Apply(Record{Key: []byte(r.key.String()), Value: r.value}); err != nil {
				t.Fatal(err)
			}
		}
		err := coordinator.Restarted(time.Unix(0, 0), 100)
		switch {
		case c.want == "" && err != nil:
			t.Errorf("%s: %v", name, err)
		case c.want != "" && (!errors.Is(err, ErrCorrupt) || !strings.Contains(err.Error(), c.want)):
			t.Errorf("%s: got %v, want %s", name, err, c.want)
		}
	}
}

// TestMisuse: a caller that ends turns that are not open is told so, and does no harm.
func TestMisuse(t *testing.T) {
	c, log := New(Limits{}), newLedger()
	d := apply(t, c, log, "g", Join{Member: named("m"), Topics: []Topic{{named("t"), 1}}})
	for name, err := range map[string]error{
		"stored twice": c.Stored(time.Unix(0, 0), d, log.end()), "dropped": c.Dropped(d), "of nobody": c.Dropped(Decision{Group: "h"}),
	} {
		if !errors.Is(err, ErrBusy) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := log.verify(c); err != nil {
		t.Error(err)
	}
}
