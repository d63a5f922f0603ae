package groups

import (
	"cmp"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
)

// The scripts in testdata drive a coordinator by text. A block of lines is a turn of one group, or a command; what comes of it stands below four
// dashes. Run the test with -rewrite to write down what comes of it now, and read the difference.
//
//	join G M topics=T:N,… [instance=I] [session=D] [rebalance=D] [client=C] [host=H]
//	heartbeat G M epoch=E [instance=I] [topics=…] [released=T/P@E,…]
//	leave G M [instance=I] [returns]
//	commit G M epoch=E [instance=I] [metadata=X] T/P@E#SEQUENCE=OFFSET …
//	reset G [force] [metadata=X] T/P=OFFSET …           (OFFSET may be none)
//	delete G
//	forget G T
//	turn G                                              without requests
//
//	clock D                     time passes
//	tick                        a turn of every group that is due
//	hold                        the next turns stay open
//	store G, drop G             end an open turn
//	failover                    another coordinator reads the log; open turns are lost
//	woke                        the coordinator was not driven for a while
//	describe G, offsets G, list, deadline G
var rewrite = flag.Bool("rewrite", false, "write the results into the scripts")

func TestScripts(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(files) < 10 {
		t.Fatalf("found %q, %v", files, err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			got := runScript(t, string(text))
			if *rewrite {
				if err := os.WriteFile(file, []byte(got), 0o600); err != nil {
					t.Fatal(err)
				}
			} else if got != string(text) {
				t.Errorf("%s differs:\n%s", file, difference(string(text), got))
			}
		})
	}
}

// difference shows the lines from the first one that differs on.
func difference(want, got string) string {
	w, g := strings.Split(want, "\n"), strings.Split(got, "\n")
	i := 0
	for i < min(len(w), len(g)) && w[i] == g[i] {
		i++
	}
	from := max(i-8, 0)
	return fmt.Sprintf("line %d, want:\n%s\n\ngot:\n%s", i+1, strings.Join(w[from:min(i+8, len(w))], "\n"), strings.Join(g[from:min(i+8, len(g))], "\n"))
}

// script is a coordinator with its log and clock.
type script struct {
	t     *testing.T
	c     *Coordinator
	log   *ledger
	now   time.Time
	hold  bool
	open  map[string]Decision
	names map[string]string // of ids
	out   strings.Builder
}

func runScript(t *testing.T, text string) string {
	s := &script{t: t, c: New(Limits{}), log: newLedger(), now: time.Unix(0, 0), open: map[string]Decision{}, names: map[string]string{}}
	var result strings.Builder
	for i, block := range strings.Split(strings.TrimRight(text, "\n"), "\n\n") {
		command, _, runs := strings.Cut(block+"\n", "----\n")
		if i > 0 {
			result.WriteString("\n")
		}
		if result.WriteString(command); !runs {
			continue
		}
		s.out.Reset()
		s.run(command)
		if err := s.log.verify(s.c); err != nil {
			t.Fatalf("after\n%s%v", command, err)
		}
		result.WriteString("----\n" + s.readable(s.out.String()))
	}
	return result.String()
}

func (s *script) say(format string, args ...any) { fmt.Fprintf(&s.out, format+"\n", args...) }

func (s *script) id(name string) uuid.UUID {
	id := named(name)
	s.names[id.String()] = name
	return id
}

// readable puts names where ids are.
func (s *script) readable(text string) string {
	for id, name := range s.names {
		text = strings.ReplaceAll(text, id, name)
	}
	return text
}

func (s *script) run(block string) {
	var group string
	var requests []Request
	for line := range strings.Lines(block) {
		line = strings.TrimSpace(line)
		if line == "" || line[0] == '#' {
			continue
		}
		f := parseFields(s, line)
		r, isRequest := f.request()
		switch {
		case isRequest && (group == "" || group == f.word(1)):
			group = f.word(1)
			if r != nil {
				requests = append(requests, r)
			}
		case isRequest:
			s.t.Fatalf("a turn is of one group: %q", line)
		default:
			s.command(f)
		}
	}
	if group != "" {
		s.turn(group, requests)
	}
}

func (s *script) turn(group string, requests []Request) {
	d := s.c.Decide(s.now, group, requests)
	if len(d.Replies) < len(requests) {
		s.say("%d requests wait for the next turn", len(requests)-len(d.Replies))
	}
	for i, r := range d.Replies {
		s.reply(requests[i], r)
	}
	for _, e := range d.Expired {
		why := "held on to a partition"
		if e.Silent {
			why = "was silent"
		}
		s.say("expired: %s %s", e.Member, why)
	}
	if len(d.Changed) > 0 {
		s.say("changed: %s", strings.Trim(fmt.Sprint(d.Changed), "[]"))
	}
	for _, r := range d.Records {
		s.record(r)
	}
	switch {
	case len(d.Records) == 0:
	case s.hold:
		s.open[group] = d
	default:
		s.stored(d)
	}
}

func (s *script) stored(d Decision) {
	if err := s.log.append(d.Records); err != nil {
		s.t.Fatal(err)
	}
	if err := s.c.Stored(s.now, d, s.log.end()); err != nil {
		s.t.Fatal(err)
	}
}

func (s *script) command(f *fields) {
	switch f.word(0) {
	case "clock":
		d, err := time.ParseDuration(f.word(1))
		f.must(err)
		s.now = s.now.Add(d)
	case "tick":
		for _, group := range s.c.Due(s.now) {
			s.say("group %s is due", group)
			s.turn(group, nil)
		}
	case "hold":
		s.hold = true
	case "store", "drop":
		d, ok := s.open[f.word(1)]
		if !ok {
			s.t.Fatalf("no turn of %s is open", f.word(1))
		}
		delete(s.open, f.word(1))
		s.hold = false
		if f.word(0) == "store" {
			s.stored(d)
			return
		}
		f.must(s.c.Dropped(d))
	case "failover":
		before := dump(s.c)
		c, err := replay(s.log.latest())
		f.must(err)
		f.must(c.Restarted(s.now, s.log.end()))
		if after := dump(c); after != before && len(s.open) == 0 {
			s.t.Fatalf("after the failover:\n%sinstead of\n%s", after, before)
		}
		s.c, s.hold, s.open = c, false, map[string]Decision{}
	case "woke":
		s.c.Woke(s.now)
	case "deadline":
		if at := s.c.Deadline(f.word(1)); !at.IsZero() {
			s.say("in %v", at.Sub(s.now))
		}
	case "list":
		s.say("%s", cmp.Or(strings.Join(s.c.Names(), " "), "none"))
	case "offsets":
		offsets, err := s.c.FetchOffsets(f.word(1), nil)
		if err != nil {
			s.say("refused: %v", err)
		}
		for _, o := range offsets {
			s.say("%s/%d=%d leader epoch %d %q", o.Topic, o.Partition.Partition, o.Offset, o.LeaderEpoch, o.Metadata)
		}
	case "describe":
		s.describe(f.word(1))
	default:
		s.t.Fatalf("unknown command %q", f.line)
	}
}

// fields is a line of a script, taken apart.
type fields struct {
	s     *script
	line  string
	words []string
	opts  map[string]string
}

func parseFields(s *script, line string) *fields {
	f := &fields{s: s, line: line, opts: map[string]string{}}
	for word := range strings.FieldsSeq(line) {
		if name, value, ok := strings.Cut(word, "="); ok && !strings.Contains(name, "/") {
			f.opts[name] = strings.ReplaceAll(value, "\\n", "\n")
		} else {
			f.words = append(f.words, word)
		}
	}
	return f
}

func (f *fields) must(err error) {
	if err != nil {
		f.s.t.Fatalf("%q: %v", f.line, err)
	}
}

func (f *fields) word(i int) string {
	if i >= len(f.words) {
		f.s.t.Fatalf("%q has too few words", f.line)
	}
	return f.words[i]
}

func (f *fields) has(word string) bool { return slices.Contains(f.words, word) }

func (f *fields) number(text string) uint64 {
	n, err := strconv.ParseUint(cmp.Or(text, "0"), 10, 64)
	f.must(err)
	return n
}

func (f *fields) duration(name string) time.Duration {
	d, err := time.ParseDuration(cmp.Or(f.opts[name], "0"))
	f.must(err)
	return d
}

func (f *fields) topics() (topics []Topic) {
	for text := range strings.SplitSeq(f.opts["topics"], ",") {
		if name, n, ok := strings.Cut(text, ":"); ok {
			count, err := strconv.Atoi(n)
			f.must(err)
			topics = append(topics, Topic{f.s.id(name), count})
		}
	}
	return topics
}

// assignment reads T/P or T/P@E.
func (f *fields) assignment(text string) Assignment {
	text, epoch, _ := strings.Cut(text, "@")
	topic, p, _ := strings.Cut(text, "/")
	n, err := strconv.ParseInt(p, 10, 32)
	f.must(err)
	return Assignment{Partition{f.s.id(topic), int32(n)}, f.number(epoch)}
}

func (f *fields) offset(text string) int64 {
	if text == "none" {
		return NoOffset
	}
	n, err := strconv.ParseInt(text, 10, 64)
	f.must(err)
	return n
}

// request answers nil for a turn without one.
func (f *fields) request() (Request, bool) {
	switch f.word(0) {
	case "join":
		return Join{Member: f.s.id(f.word(2)), Instance: f.opts["instance"], Client: f.opts["client"], Host: f.opts["host"], Topics: f.topics(),
			SessionTimeout: f.duration("session"), RebalanceTimeout: f.duration("rebalance")}, true
	case "heartbeat":
		h := Heartbeat{Member: f.s.id(f.word(2)), Instance: f.opts["instance"], Epoch: f.number(f.opts["epoch"]), Topics: f.topics()}
		for text := range strings.SplitSeq(f.opts["released"], ",") {
			if text != "" {
				h.Released = append(h.Released, f.assignment(text))
			}
		}
		return h, true
	case "leave":
		return Leave{Member: f.s.id(f.word(2)), Instance: f.opts["instance"], Returns: f.has("returns")}, true
	case "commit":
		c := CommitOffsets{Member: f.s.id(f.word(2)), Instance: f.opts["instance"], Epoch: f.number(f.opts["epoch"])}
		for _, text := range f.words[3:] {
			text, offset, _ := strings.Cut(text, "=")
			text, sequence, _ := strings.Cut(text, "#")
			c.Offsets = append(c.Offsets, Commit{f.assignment(text), f.number(sequence), f.offset(offset), 7, f.opts["metadata"]})
		}
		return c, true
	case "reset":
		r := ResetOffsets{Force: f.has("force")}
		for _, text := range f.words[2:] {
			if text, offset, ok := strings.Cut(text, "="); ok {
				r.Offsets = append(r.Offsets, Offset{f.assignment(text).Partition, f.offset(offset), 7, f.opts["metadata"]})
			}
		}
		return r, true
	case "delete":
		return Delete{}, true
	case "forget":
		return ForgetTopic{f.s.id(f.word(2))}, true
	case "turn":
		return nil, true
	}
	return nil, false
}

// reply writes an answer.
func (s *script) reply(r Request, reply Reply) {
	if reply.Err != nil {
		if _, ok := errors.AsType[*RefusedError](reply.Err); !ok {
			s.t.Fatalf("%T is refused by %T %v", r, reply.Err, reply.Err)
		}
		s.say("refused: %v", reply.Err)
		return
	}
	switch r := r.(type) {
	case CommitOffsets:
		for i, err := range reply.Commits {
			o := r.Offsets[i]
			s.say("%s/%d: %v", o.Topic, o.Partition.Partition, cmp.Or(err, errors.New("committed")))
		}
	case Join, Heartbeat:
		if reply.Share == nil {
			s.say("ok")
			return
		}
		var b strings.Builder
		fmt.Fprintf(&b, "epoch %d", reply.Share.Epoch)
		if h, ok := r.(Heartbeat); ok && len(h.Topics) > 0 {
			fmt.Fprintf(&b, ", subscribes to %s", strings.Trim(fmt.Sprint(reply.Share.Topics), "[]"))
		}
		for _, a := range reply.Share.Assigned {
			fmt.Fprintf(&b, ", has %s/%d@%d", a.Topic, a.Partition.Partition, a.Epoch)
			if a.Offset != NoOffset {
				fmt.Fprintf(&b, " from %d", a.Offset)
			}
		}
		for _, a := range reply.Share.Revoked {
			fmt.Fprintf(&b, ", gives up %s/%d@%d", a.Topic, a.Partition.Partition, a.Epoch)
		}
		s.say("%s", &b)
	default:
		s.say("ok")
	}
}

// record writes what a transition appends.
func (s *script) record(r Record) {
	k, err := parseKey(string(r.Key))
	if err != nil {
		s.t.Fatal(err)
	}
	if r.Value == nil {
		s.say("- %s deleted", r.Key)
		return
	}
	var text string
	switch k.kind {
	case kindGroup:
		var epoch, numbers uint64
		epoch, numbers, err = decodeGroup(r.Value)
		text = fmt.Sprintf("epoch %d, %d numbers", epoch, numbers)
	case kindMember:
		var m *member
		if m, err = decodeMember(k.id, r.Value); err == nil {
			text = fmt.Sprintf("number %d, epoch %d", m.number, m.epoch)
			if m.instance != "" {
				text += fmt.Sprintf(", instance %s, away %t", m.instance, m.away)
			}
		}
	case kindTopic:
		var t *topic
		if t, err = decodeTopic(k.id, r.Value); err == nil {
			for _, slot := range t.slots {
				text += fmt.Sprintf(" %d", slot.owner)
				if slot.owner != 0 {
					text += fmt.Sprintf("@%d", slot.epoch)
				}
				if slot.target != slot.owner {
					text += fmt.Sprintf("→%d", slot.target)
				}
			}
		}
	case kindOffset:
		var c *committed
		if c, err = decodeCommitted(r.Value); err == nil {
			text = fmt.Sprintf("%d, commit @%d#%d, leader epoch %d, %.20q", c.offset, c.epoch, c.sequence, c.leaderEpoch, c.metadata)
		}
	}
	if err != nil {
		s.t.Fatal(err)
	}
	s.say("- %s %s", r.Key, strings.TrimSpace(text))
}

func (s *script) describe(group string) {
	d, err := s.c.Describe(group)
	if err != nil {
		s.say("refused: %v", err)
		return
	}
	s.say("%s, epoch %d", d.State, d.Epoch)
	for _, m := range d.Members {
		text := fmt.Sprintf("%s %s, epoch %d, session %v, rebalance %v, heard %v ago", m.Member, m.State, m.Epoch, m.SessionTimeout, m.RebalanceTimeout, s.now.Sub(m.Heard))
		for _, o := range [...][2]string{{"instance", m.Instance}, {"client", m.Client}, {"host", m.Host}} {
			if o[1] != "" {
				text += fmt.Sprintf(", %s %s", o[0], o[1])
			}
		}
		for _, a := range m.Assigned {
			text += fmt.Sprintf(", has %s/%d@%d", a.Topic, a.Partition.Partition, a.Epoch)
		}
		for _, a := range m.Revoked {
			text += fmt.Sprintf(", gives up %s/%d@%d", a.Topic, a.Partition.Partition, a.Epoch)
		}
		for _, p := range m.Awaited {
			text += fmt.Sprintf(", awaits %s/%d", p.Topic, p.Partition)
		}
		s.say("%s", text)
	}
}
