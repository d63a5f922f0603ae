package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/strandlog/strand/commitlog"
	"github.com/strandlog/strand/eventstore"
)

func TestServer(t *testing.T) {
	for _, test := range []struct{ flag, env, url, shown string }{
		{"", "", serverDefault, serverDefault},
		{"", "nats://10.0.0.7:4222", "nats://10.0.0.7:4222", "nats://10.0.0.7:4222"},
		{"nats://a:1,nats://u:p@b:2", "nats://10.0.0.7:4222", "nats://a:1,nats://u:p@b:2", "nats://a:1,nats://u:xxxxx@b:2"},
		{"10.0.0.8:4222", "", "10.0.0.8:4222", "10.0.0.8:4222"},
	} {
		t.Setenv(serverVariable, test.env)
		s := server{flag: test.flag}
		if s.url() != test.url || s.shown() != test.shown {
			t.Errorf("%+v: asks %s, shows %s", test, s.url(), s.shown())
		}
	}
}

// TestExplain: each error has its exit code and no name of a library, and says what to do where there is something.
func TestExplain(t *testing.T) {
	s := server{flag: "nats://127.0.0.1:4222"}
	away := func(doing string, cause error) error {
		return &commitlog.UnavailableError{URL: s.flag, Doing: doing, Cause: cause}
	}
	for _, test := range []struct {
		err  error
		code int
		text string
	}{
		{away("connecting", errors.New("nats: no servers available for connection")), exitUnavailable, "no node at nats://127.0.0.1:4222: connection refused\n  start one with: brokerd dev\n"},
		{away("connecting", context.DeadlineExceeded), exitUnavailable, "no node at nats://127.0.0.1:4222: no answer within 5s\n"},
		{away("connecting", errors.New("nats: authorization violation")), exitUnavailable, "no node at nats://127.0.0.1:4222: authorization violation\n"},
		{away("listing topics", errors.New("nobody serves it")), exitUnavailable, "listing topics: what runs at nats://127.0.0.1:4222 does not answer: nobody serves it\n"},
		{&commitlog.UnknownTopicError{Topic: "clicks"}, exitNotFound, `topic "clicks" does not exist: brokerd topics list shows`},
		{&commitlog.OffsetRangeError{Topic: "clicks", Offset: 9, End: 5}, exitNotFound, `offset 9 of topic "clicks"`},
		{&eventstore.UnreachableError{At: "position", Here: "events", Why: "it was"}, exitNotFound, "position can never be reached"},
		{&commitlog.CorruptError{Topic: "clicks", Partition: -1, Offset: -1, Cause: errBroken}, exitDamage, "the log is damaged at topic"},
		{&commitlog.DivergedError{Topic: "clicks"}, exitDamage, `the log of topic "clicks" lost records`},
		{&commitlog.TopicExistsError{Topic: "clicks"}, exitRefused, `topic "clicks" exists`},
		{&commitlog.GroupError{Group: "g", Kind: commitlog.ErrUnknownGroup}, exitNotFound, `group "g" does not exist: brokerd groups list shows`},
		{&commitlog.GroupError{Group: "g", Kind: commitlog.ErrGroupNotEmpty, Reason: "it has members"}, exitRefused, `group "g": it has members`},
		{&commitlog.GroupError{Group: "g", Kind: commitlog.ErrInvalid, Reason: "no"}, exitUsage, `group "g": no`},
		{&commitlog.GroupError{Group: "g", Kind: commitlog.ErrGroupLimit, Reason: "too many"}, exitError, `group "g": too many`},
		{&commitlog.InvalidError{Reason: "no"}, exitUsage, "no"},
		{&commitlog.NameError{What: "topic", Name: "a b"}, exitUsage, `topic "a b"`},
		{&commitlog.StorageError{Topic: "clicks", Detail: "full"}, exitError, "the broker cannot store"},
		{failed(exitRefused, nil, "as it is"), exitRefused, "as it is"},
		{misused("as it is"), exitUsage, "as it is"},
		{fmt.Errorf("asking: %w", &commitlog.UnknownTopicError{Topic: "clicks"}), exitNotFound, `topic "clicks" does not exist`},
		{errBroken, exitError, errBroken.Error()},
	} {
		got := s.explain(test.err)
		if code := exitCode(got, true); code != test.code || !strings.HasPrefix(got.Error(), test.text) || strings.Contains(got.Error(), "commitlog:") {
			t.Errorf("%v:\n  exit code %d: %v\n  want %d: %s", test.err, code, got, test.code, test.text)
		}
	}
	if err := s.explain(nil); err != nil {
		t.Errorf("nothing is %v", err)
	}
}
