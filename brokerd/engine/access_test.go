package engine_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/strandlog/strand/brokerd/engine"
)

// violations collects what the server refuses a connection.
func violations(t *testing.T, url string, opts ...nats.Option) (*nats.Conn, chan error) {
	t.Helper()
	refused := make(chan error, 16)
	opts = append(opts, nats.NoReconnect(), nats.ErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) { refused <- err }))
	nc, err := nats.Connect(url, opts...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(nc.Close)
	return nc, refused
}

func wantViolation(t *testing.T, refused chan error, what string) {
	t.Helper()
	select {
	case err := <-refused:
		if !errors.Is(err, nats.ErrPermissionViolation) || !strings.Contains(err.Error(), what) {
			t.Errorf("refused with %v, want a permissions violation for %s", err, what)
		}
	case <-time.After(5 * time.Second):
		t.Errorf("%s is not refused", what)
	}
}

func TestClientsCannotReachTheEnginesAPI(t *testing.T) {
	e := start(t, engine.Config{Listen: "127.0.0.1:0"})
	create(t, e, stream("a"))
	newSession(t, e, "a").fill(1, 1, []byte("frame"))
	for _, subject := range []string{
		"$JS.API.INFO", "$JS.API.STREAM.NAMES", "$JS.API.STREAM.INFO.a", "$JS.API.STREAM.CREATE.b", "$JS.API.STREAM.UPDATE.a",
		"$JS.API.STREAM.PURGE.a", "$JS.API.STREAM.DELETE.a", "$JS.API.STREAM.MSG.DELETE.a", "$JS.API.STREAM.MSG.GET.a",
		"$JS.API.DIRECT.GET.a", "$JS.API.CONSUMER.CREATE.a", "$JS.ACK.a.c.1.1.1.1.0",
	} {
		t.Run(subject, func(t *testing.T) {
			nc, refused := violations(t, e.ClientURL())
			if err := nc.Publish(subject, nil); err != nil {
				t.Fatal(err)
			}
			wantViolation(t, refused, subject)
		})
	}
	if _, last, err := e.Bounds(t.Context(), "a"); err != nil || last != 1 {
		t.Errorf("last sequence %d, %v", last, err)
	}
}

func TestClientsCannotReachTheLog(t *testing.T) {
	e := start(t, engine.Config{Listen: "127.0.0.1:0"})
	create(t, e, stream("a"))
	node, err := e.ClientConn()
	if err != nil {
		t.Fatal(err)
	}
	defer node.Close()
	remote, _ := violations(t, e.ClientURL())
	for name, nc := range map[string]*nats.Conn{"the node": node, "a client": remote} {
		if _, err := nc.RequestWithContext(t.Context(), "log.a", []byte("frame")); !errors.Is(err, nats.ErrNoResponders) {
			t.Errorf("%s publishes to the log's subject: %v", name, err)
		}
	}
	// What the log's account hears stays there.
	sub, err := remote.SubscribeSync(">")
	if err != nil {
		t.Fatal(err)
	}
	if err := remote.Flush(); err != nil {
		t.Fatal(err)
	}
	newSession(t, e, "a").fill(1, 1, []byte("frame"))
	if err := remote.Flush(); err != nil {
		t.Fatal(err)
	}
	if n, _, err := sub.Pending(); err != nil || n != 0 {
		t.Errorf("a client hears %d messages of the log: %v", n, err)
	}
	if _, last, err := e.Bounds(t.Context(), "a"); err != nil || last != 1 {
		t.Errorf("last sequence %d, %v", last, err)
	}
}

func TestTheNodeItselfHasNoStoreAmongClients(t *testing.T) {
	e := start(t, engine.Config{})
	create(t, e, stream("a"))
	node, err := e.ClientConn()
	if err != nil {
		t.Fatal(err)
	}
	defer node.Close()
	msg, err := node.RequestWithContext(t.Context(), "$JS.API.STREAM.PURGE.a", nil)
	if err == nil && !strings.Contains(string(msg.Data), "not enabled for account") {
		t.Errorf("the API answers a client account: %s", msg.Data)
	}
}

func TestOnlyTheNodeServes(t *testing.T) {
	e := start(t, engine.Config{Listen: "127.0.0.1:0"})
	node, err := e.ClientConn()
	if err != nil {
		t.Fatal(err)
	}
	defer node.Close()
	if _, err := node.Subscribe("strand.append.x", func(m *nats.Msg) { _ = m.Respond([]byte("stored")) }); err != nil {
		t.Fatal(err)
	}
	if err := node.Flush(); err != nil {
		t.Fatal(err)
	}

	spy, refused := violations(t, e.ClientURL())
	if _, err := spy.SubscribeSync("strand.append.*"); err != nil {
		t.Fatal(err)
	}
	wantViolation(t, refused, "strand.append.*")
	all, err := spy.SubscribeSync(">")
	if err != nil {
		t.Fatal(err)
	}
	if err := spy.Flush(); err != nil {
		t.Fatal(err)
	}

	client, _ := violations(t, e.ClientURL())
	answer, err := client.RequestWithContext(t.Context(), "strand.append.x", []byte("request"))
	if err != nil || string(answer.Data) != "stored" {
		t.Fatalf("answer %v, %v", answer, err)
	}
	if err := spy.Flush(); err != nil {
		t.Fatal(err)
	}
	for n, _, _ := all.Pending(); n > 0; n-- {
		msg, err := all.NextMsg(time.Second)
		if err != nil {
			t.Fatal(err)
		}
		if strings.HasPrefix(msg.Subject, "strand.") {
			t.Errorf("a client hears another's request on %s", msg.Subject)
		}
	}
}

func TestTheLogsUserIsNotForTheNetwork(t *testing.T) {
	e := start(t, engine.Config{Listen: "127.0.0.1:0"})
	for _, user := range []string{"log", "node"} {
		for _, password := range []string{"", user, engine.PasswordOf(e, user)} {
			nc, err := nats.Connect(e.ClientURL(), nats.UserInfo(user, password))
			if err == nil {
				nc.Close()
				t.Errorf("user %s logs in over TCP with password %q", user, password)
			}
		}
	}
}

func TestPayloadLimit(t *testing.T) {
	e := start(t, engine.Config{Listen: "127.0.0.1:0"})
	nc, _ := violations(t, e.ClientURL())
	if got := nc.MaxPayload(); got != 8<<20 {
		t.Errorf("max payload %d", got)
	}
}
