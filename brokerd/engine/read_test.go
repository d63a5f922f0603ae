package engine_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"runtime"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/nats-io/nats-server/v2/server"

	"github.com/strandlog/strand/brokerd/engine"
)

func collect(t *testing.T, e *engine.Engine, from, to uint64) (seqs []uint64, err error) {
	t.Helper()
	for m, err := range e.Read(t.Context(), "a", from, to) {
		if err != nil {
			return seqs, err
		}
		seqs = append(seqs, m.Seq)
	}
	return seqs, nil
}

func TestReadRanges(t *testing.T) {
	const last = 300
	e := start(t, engine.Config{UnsafeNoSync: true})
	create(t, e, stream("a"))
	newSession(t, e, "a").fill(1, last, []byte("frame"))
	for _, tc := range []struct{ from, to uint64 }{
		{1, 1}, {1, 127}, {1, 128}, {1, 129}, {1, 256}, {1, last}, {0, 2}, {77, 78}, {173, last}, {last, last}, {5, 4}, {last + 1, last},
	} {
		got, err := collect(t, e, tc.from, tc.to)
		if err != nil {
			t.Errorf("Read(%d, %d) = %v", tc.from, tc.to, err)
		}
		var want []uint64
		for seq := max(tc.from, 1); seq <= tc.to; seq++ {
			want = append(want, seq)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("Read(%d, %d):\n%s", tc.from, tc.to, diff)
		}
	}
}

func TestReadMessages(t *testing.T) {
	e := start(t, engine.Config{})
	create(t, e, stream("a"))
	before := time.Now().Add(-time.Minute)
	s := newSession(t, e, "a")
	s.fill(1, 1, []byte("one"))
	s.fill(2, 2, nil)
	want := map[uint64]string{1: "one", 2: ""}
	for m, err := range e.Read(t.Context(), "a", 1, 2) {
		if err != nil {
			t.Fatal(err)
		}
		if string(m.Data) != want[m.Seq] || m.Time.Before(before) || time.Until(m.Time) > time.Minute {
			t.Errorf("%+v", m)
		}
		one, err := e.ReadOne(t.Context(), "a", m.Seq)
		if err != nil {
			t.Fatal(err)
		}
		if one.Seq != m.Seq || !bytes.Equal(one.Data, m.Data) || !one.Time.Equal(m.Time) {
			t.Errorf("ReadOne = %+v, Read yields %+v", one, m)
		}
	}
}

// TestReadMoreThanAConnectionMayOwe: 72 MiB to a reader that does not hurry.
func TestReadMoreThanAConnectionMayOwe(t *testing.T) {
	const n, size = 18, 4 << 20
	e := start(t, engine.Config{UnsafeNoSync: true})
	create(t, e, stream("a"))
	s := newSession(t, e, "a")
	data := make([]byte, size)
	for seq := range uint64(n) {
		binary.BigEndian.PutUint64(data, seq+1)
		s.fill(seq+1, seq+1, data)
	}
	got := uint64(0)
	for m, err := range e.Read(t.Context(), "a", 1, n) {
		if err != nil {
			t.Fatal(err)
		}
		if got++; got == 1 {
			dawdle(t, e)
		}
		if len(m.Data) != size || binary.BigEndian.Uint64(m.Data) != got {
			t.Fatalf("sequence %d: %d bytes", m.Seq, len(m.Data))
		}
	}
	if got != n {
		t.Errorf("read %d of %d", got, n)
	}
}

// dawdle gives the engine the time to send all that it was asked for.
func dawdle(t *testing.T, e *engine.Engine) {
	t.Helper()
	for began := time.Now(); sending(t, e); runtime.Gosched() {
		if time.Since(began) > 30*time.Second {
			t.Fatal("the engine goes on sending")
		}
	}
}

func sending(t *testing.T, e *engine.Engine) bool {
	t.Helper()
	for _, c := range consumers(t, e) {
		if c.NumWaiting > 0 {
			return true
		}
	}
	conns, err := e.Server().Connz(nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range conns.Conns {
		if c.Pending > 0 {
			return true
		}
	}
	return false
}

// TestReadSurvivesBeingForgotten: the engine removes the consumer of a caller who takes long over one message.
func TestReadSurvivesBeingForgotten(t *testing.T) {
	e := start(t, engine.Config{UnsafeNoSync: true})
	create(t, e, stream("a"))
	newSession(t, e, "a").fill(1, 300, []byte("frame"))
	nc := logConn(t, e)
	want := uint64(0)
	for m, err := range e.Read(t.Context(), "a", 1, 300) {
		if err != nil {
			t.Fatal(err)
		}
		if want++; m.Seq != want {
			t.Fatalf("sequence %d, want %d", m.Seq, want)
		}
		if m.Seq == 100 || m.Seq == 200 {
			for _, c := range consumers(t, e) {
				request(t, nc, "$JS.API.CONSUMER.DELETE.a."+c.Name, nil)
			}
		}
	}
	if want != 300 {
		t.Errorf("read %d messages", want)
	}
}

func TestReadOfAStreamThatIsDeletedMeanwhile(t *testing.T) {
	e := start(t, engine.Config{UnsafeNoSync: true})
	create(t, e, stream("a"))
	newSession(t, e, "a").fill(1, 300, []byte("frame"))
	var last error
	for m, err := range e.Read(t.Context(), "a", 1, 300) {
		if m.Seq == 100 {
			if err := e.DeleteStream(t.Context(), "a"); err != nil {
				t.Fatal(err)
			}
		}
		last = err
	}
	if !errors.Is(last, engine.ErrUnknownStream) {
		t.Errorf("Read ends with %v", last)
	}
}

func TestReadBeyondTheEnds(t *testing.T) {
	e := start(t, engine.Config{})
	create(t, e, engine.Stream{Name: "a"})
	newSession(t, e, "a").fill(1, 10, []byte("frame"))
	request(t, logConn(t, e), "$JS.API.STREAM.PURGE.a", []byte(`{"seq":4}`))
	for _, tc := range []struct {
		from, to uint64
		want     engine.GapError
	}{
		{3, 5, engine.GapError{Stream: "a", Want: 3, Got: 4}},
		{9, 11, engine.GapError{Stream: "a", Want: 11}},
		{12, 20, engine.GapError{Stream: "a", Want: 12}},
	} {
		got, err := collect(t, e, tc.from, tc.to)
		gap, ok := errors.AsType[*engine.GapError](err)
		if !ok || !errors.Is(err, engine.ErrGap) || *gap != tc.want || len(got) != 0 {
			t.Errorf("Read(%d, %d) = %v, %v", tc.from, tc.to, got, err)
		}
	}
	if got, err := collect(t, e, 4, 10); err != nil || len(got) != 7 {
		t.Errorf("Read(4, 10) = %v, %v", got, err)
	}
}

// TestReadMeetsAHole: the engine skips what it lost without a word.
func TestReadMeetsAHole(t *testing.T) {
	for _, tc := range []struct {
		name  string
		holes []string
		want  engine.GapError
	}{
		{"inside", []string{"5"}, engine.GapError{Stream: "a", Want: 5, Got: 6}},
		{"at the end of the range", []string{"8"}, engine.GapError{Stream: "a", Want: 8, Got: 9}},
		{"at the end of the stream", []string{"9", "10"}, engine.GapError{Stream: "a", Want: 9}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			e := start(t, engine.Config{})
			nc := logConn(t, e)
			request(t, nc, "$JS.API.STREAM.CREATE.a", tampered(t, "deny_delete", false))
			newSession(t, e, "a").fill(1, 10, []byte("frame"))
			for _, seq := range tc.holes {
				request(t, nc, "$JS.API.STREAM.MSG.DELETE.a", []byte(`{"seq":`+seq+`,"no_erase":true}`))
			}
			to := uint64(10)
			if tc.want.Got == 9 {
				to = 8
			}
			got, err := collect(t, e, 1, to)
			gap, ok := errors.AsType[*engine.GapError](err)
			if !ok || *gap != tc.want || uint64(len(got)) != tc.want.Want-1 {
				t.Errorf("Read = %v, %v", got, err)
			}
			if _, err := e.ReadOne(t.Context(), "a", tc.want.Want); !errors.Is(err, engine.ErrGap) {
				t.Errorf("ReadOne = %v", err)
			}
		})
	}
}

func TestReadOneThatIsNotThere(t *testing.T) {
	e := start(t, engine.Config{})
	create(t, e, stream("a"))
	newSession(t, e, "a").fill(1, 1, []byte("frame"))
	for _, seq := range []uint64{0, 2, 1 << 60} {
		_, err := e.ReadOne(t.Context(), "a", seq)
		if gap, ok := errors.AsType[*engine.GapError](err); !ok || gap.Want != seq {
			t.Errorf("ReadOne(%d) = %v", seq, err)
		}
	}
}

func TestReadReleasesWhatItHeld(t *testing.T) {
	e := start(t, engine.Config{UnsafeNoSync: true})
	create(t, e, stream("a"))
	newSession(t, e, "a").fill(1, 300, []byte("frame"))
	if _, _, err := e.Bounds(t.Context(), "a"); err != nil { // opens the engine's own connection
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	for name, read := range map[string]func(){
		"to the end": func() { _, _ = collect(t, e, 1, 300) },
		"broken off": func() {
			for _, err := range e.Read(t.Context(), "a", 1, 300) {
				if err != nil {
					t.Error(err)
				}
				break
			}
		},
		"cancelled": func() {
			var last error
			for m, err := range e.Read(ctx, "a", 1, 300) {
				if m.Seq == 140 {
					cancel()
				}
				last = err
			}
			if !errors.Is(last, context.Canceled) {
				t.Errorf("a cancelled read ends with %v", last)
			}
		},
	} {
		connections := e.Server().NumClients()
		read()
		for began := time.Now(); e.Server().NumClients() > connections; runtime.Gosched() {
			if time.Since(began) > 5*time.Second {
				t.Fatalf("%s: the connection is left", name)
			}
		}
		if left := consumers(t, e); len(left) != 0 {
			t.Errorf("%s: %d consumers are left", name, len(left))
		}
	}
}

// consumers are the readers that the engine knows.
func consumers(t *testing.T, e *engine.Engine) (all []*server.ConsumerInfo) {
	t.Helper()
	info, err := e.Server().Jsz(&server.JSzOptions{Accounts: true, Streams: true, Consumer: true})
	if err != nil {
		t.Fatal(err)
	}
	for _, account := range info.AccountDetails {
		for _, s := range account.Streams {
			all = append(all, s.Consumer...)
		}
	}
	return all
}

func TestReadStopsWithTheEngine(t *testing.T) {
	e := start(t, engine.Config{UnsafeNoSync: true})
	create(t, e, stream("a"))
	newSession(t, e, "a").fill(1, 300, []byte("frame"))
	var last error
	n := 0
	for m, err := range e.Read(t.Context(), "a", 1, 300) {
		if last = err; err == nil {
			n++
		}
		if m.Seq == 1 {
			stop(t, e)
		}
	}
	if last == nil || n == 300 {
		t.Errorf("read %d messages, then %v", n, last)
	}
}

func TestConcurrentReads(t *testing.T) {
	e := start(t, engine.Config{UnsafeNoSync: true})
	create(t, e, stream("a"))
	newSession(t, e, "a").fill(1, 500, []byte("frame"))
	done := make(chan error)
	for range 8 {
		go func() {
			got, err := collect(t, e, 1, 500)
			if err == nil && len(got) != 500 {
				err = errors.New("short read")
			}
			done <- err
		}()
	}
	for range 8 {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
}
