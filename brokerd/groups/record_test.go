package groups

import (
	"bytes"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
)

func sampleMembers() []*member {
	return []*member{
		{id: named("m"), number: 1, epoch: 1, session: SessionTimeoutMin, rebalance: RebalanceTimeoutMin, topics: []uuid.UUID{}},
		{id: named("m"), number: 1<<63 - 1, epoch: 300, instance: "worker-1", former: named("f"), away: true, client: "strand/1.0", host: "größe",
			session: SessionTimeoutMax, rebalance: RebalanceTimeoutMax, topics: []uuid.UUID{{1}, {2}}},
		{id: named("m"), number: 7, epoch: 8, instance: "a", session: 1500 * time.Millisecond, rebalance: time.Minute, topics: []uuid.UUID{{9}}},
	}
}

func sampleTopics() []*topic {
	return []*topic{
		{id: named("t"), slots: []slot{{}}},
		{id: named("t"), slots: []slot{{target: 1, owner: 1, epoch: 5}, {target: 2, owner: 1, epoch: 1<<63 - 1}, {target: 3}, {owner: 300, epoch: 200}}},
	}
}

func sampleOffsets() []*committed {
	return []*committed{
		{},
		{offset: 1<<63 - 1, leaderEpoch: 1<<64 - 1, epoch: 9, sequence: 1<<64 - 1, metadata: strings.Repeat("m", MetadataBytesMax)},
	}
}

var unexported = cmp.AllowUnexported(member{}, topic{}, slot{}, committed{}, key{})

func TestRecordsSurvive(t *testing.T) {
	for _, m := range sampleMembers() {
		if got, err := decodeMember(m.id, m.encode()); err != nil || !cmp.Equal(m, got, unexported) {
			t.Errorf("%v\n%s", err, cmp.Diff(m, got, unexported))
		}
	}
	for _, topic := range sampleTopics() {
		if got, err := decodeTopic(topic.id, topic.encode()); err != nil || !cmp.Equal(topic, got, unexported) {
			t.Errorf("%v\n%s", err, cmp.Diff(topic, got, unexported))
		}
	}
	for _, c := range sampleOffsets() {
		if got, err := decodeCommitted(c.encode()); err != nil || !cmp.Equal(c, got, unexported) {
			t.Errorf("%v\n%s", err, cmp.Diff(c, got, unexported))
		}
	}
	if epoch, numbers, err := decodeGroup(encodeGroup(1<<63-1, 3)); epoch != 1<<63-1 || numbers != 3 || err != nil {
		t.Errorf("%d, %d, %v", epoch, numbers, err)
	}
}

// TestBadRecords: each is refused, and the refusal names the field.
func TestBadRecords(t *testing.T) {
	member := sampleMembers()[1].encode()
	edit := func(b []byte, at int, to byte) []byte {
		b = bytes.Clone(b)
		b[at] = to
		return b
	}
	for name, c := range map[string]struct {
		kind  kind
		value []byte
		field string
	}{
		"nothing":                {kindGroup, []byte{}, "format"},
		"another format":         {kindGroup, []byte{2, 1, 0}, "format"},
		"epoch 0":                {kindGroup, []byte{1, 0, 0}, "epoch"},
		"a tail":                 {kindGroup, []byte{1, 1, 0, 0}, "end"},
		"a long number":          {kindGroup, []byte{1, 0x81, 0, 0}, "epoch"},
		"too large a number":     {kindGroup, append([]byte{1}, bytes.Repeat([]byte{0xff}, 10)...), "epoch"},
		"a cut member":           {kindMember, member[:len(member)-1], "topics"},
		"a bad instance":         {kindMember, edit(member, 13, '{'), "instance"},
		"too long an instance":   {kindMember, edit(member, 12, NameBytesMax+1), "instance"},
		"neither away nor not":   {kindMember, edit(member, 13+8+16, 2), "away"},
		"topics that descend":    {kindMember, edit(member, len(member)-32, 3), "topic"},
		"a short session":        {kindMember, []byte{1, 1, 1, 0, 0, 0, 1, 0xe8, 7, 0}, "session timeout"},
		"no partitions":          {kindTopic, []byte{1, 0}, "partitions"},
		"too many partitions":    {kindTopic, []byte{1, 0x81, 0x20}, "partitions"},
		"more than there are":    {kindTopic, []byte{1, 3, 0, 0, 0, 0}, "partitions"},
		"an owner without epoch": {kindTopic, []byte{1, 1, 1, 1, 0}, "epoch"},
		"a negative offset":      {kindOffset, []byte{1, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1, 0, 0, 0, 0}, "offset"},
		"a commit of nobody":     {kindOffset, []byte{1, 5, 0, 0, 1, 0}, "sequence"},
		"long metadata":          {kindOffset, []byte{1, 5, 0, 0, 0, 0x81, 0x20}, "metadata"},
		"cut metadata":           {kindOffset, []byte{1, 5, 0, 0, 0, 3, 'a'}, "metadata"},
	} {
		c1 := New(Limits{})
		err := c1.Apply(Record{Key: []byte(key{group: "g", kind: c.kind, id: named("x")}.String()), Value: c.value})
		if decode, ok := errors.AsType[*DecodeError](err); !ok || decode.Field != c.field || decode.Error() == "" {
			t.Errorf("%s: got %v, want a complaint about %s", name, err, c.field)
		}
	}
}

func TestKeys(t *testing.T) {
	id := "0190b5a4-7c7e-7000-8000-0123456789ab"
	for _, text := range []string{"{g}", "{a.b_c-9}/members/" + id, "{g}/topics/" + id, "{g}/offsets/" + id + "/0", "{g}/offsets/" + id + "/4095"} {
		if k, err := parseKey(text); err != nil || k.String() != text {
			t.Errorf("%q: %v, %v", text, k, err)
		}
	}
	for _, text := range []string{
		"", "g", "{}", "{g", "{.g}", "{g}/", "{g}x", "{g}/members", "{g}/members/", "{g}/members/" + id + "/", "x{g}/members/" + id, "{g}/others/" + id,
		"{g}/members/" + strings.ToUpper(id), "{g}/members/{" + id + "}", "{g}/members/urn:uuid:" + id, "{g}/members/" + strings.ReplaceAll(id, "-", ""),
		"{g}/offsets/" + id, "{g}/offsets/" + id + "/", "{g}/offsets/" + id + "/-1", "{g}/offsets/" + id + "/+1", "{g}/offsets/" + id + "/01", "{g}/offsets/" + id + "/4096",
		"{" + strings.Repeat("g", NameBytesMax+1) + "}",
	} {
		if k, err := parseKey(text); err == nil {
			t.Errorf("%q is taken for %+v", text, k)
		}
	}
}

// fuzzRecord holds for every value: it is refused, or it is exactly what its content is encoded as.
func fuzzRecord[T any](f *testing.F, samples []T, encode func(T) []byte, decode func([]byte) (T, error)) {
	for _, s := range samples {
		f.Add(encode(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		v, err := decode(b)
		if err != nil {
			return
		}
		if got := encode(v); !bytes.Equal(got, b) {
			t.Fatalf("% x is encoded as % x", b, got)
		}
	})
}

func FuzzMember(f *testing.F) {
	fuzzRecord(f, sampleMembers(), (*member).encode, func(b []byte) (*member, error) { return decodeMember(named("m"), b) })
}

func FuzzTopic(f *testing.F) {
	fuzzRecord(f, sampleTopics(), (*topic).encode, func(b []byte) (*topic, error) { return decodeTopic(named("t"), b) })
}

func FuzzCommitted(f *testing.F) {
	fuzzRecord(f, sampleOffsets(), (*committed).encode, decodeCommitted)
}

func FuzzGroup(f *testing.F) {
	fuzzRecord(f, [][2]uint64{{1, 0}, {1<<63 - 1, 1<<63 - 1}}, func(v [2]uint64) []byte { return encodeGroup(v[0], v[1]) }, func(b []byte) ([2]uint64, error) {
		epoch, numbers, err := decodeGroup(b)
		return [2]uint64{epoch, numbers}, err
	})
}

func FuzzKey(f *testing.F) {
	for _, k := range []key{{group: "g"}, {group: "g", kind: kindMember, id: named("m")}, {group: "g", kind: kindTopic}, {group: "g", kind: kindOffset, part: 4095}} {
		f.Add(k.String())
	}
	f.Fuzz(func(t *testing.T, text string) {
		if k, err := parseKey(text); err == nil && k.String() != text {
			t.Fatalf("%q is written as %q", text, k)
		}
	})
}

// FuzzReplay: whatever stands in the log, a replay refuses it, or leads to a coordinator that can be driven.
func FuzzReplay(f *testing.F) {
	seed := func(rows ...[]byte) {
		var all []byte
		for _, r := range rows {
			all = append(append(all, byte(len(r))), r...)
		}
		f.Add(all)
	}
	m := &member{id: named("m"), number: 1, epoch: 1, session: time.Second, rebalance: time.Second, topics: []uuid.UUID{named("t")}}
	tp := &topic{id: named("t"), slots: []slot{{target: 1, owner: 1, epoch: 1}}}
	seed([]byte("{g}"), encodeGroup(1, 1), []byte(key{group: "g", kind: kindMember, id: m.id}.String()), m.encode(),
		[]byte(key{group: "g", kind: kindTopic, id: tp.id}.String()), tp.encode())
	f.Fuzz(func(t *testing.T, b []byte) {
		next := func() []byte {
			if len(b) == 0 {
				return nil
			}
			n := min(int(b[0]), len(b)-1)
			v := b[1 : 1+n]
			b = b[1+n:]
			return v
		}
		c := New(Limits{})
		for len(b) > 0 {
			if c.Apply(Record{Key: next(), Value: next()}) != nil {
				return
			}
		}
		now := time.Unix(0, 0)
		if c.Restarted(now, 1<<40) != nil {
			return
		}
		now = now.Add(time.Hour)
		for _, name := range c.Names() {
			if _, err := c.Describe(name); err != nil {
				t.Fatal(err)
			}
			d := c.Decide(now, name, []Request{Join{Member: named("new"), Topics: []Topic{{named("t"), 1}}}, ResetOffsets{Force: true}})
			if len(d.Records) > 0 {
				if err := c.Stored(now, d, 1<<41); err != nil {
					t.Fatal(err)
				}
			}
			if err := c.groups[name].check(); err != nil {
				t.Fatal(err)
			}
		}
	})
}
