package engine_test

import (
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/strandlog/strand/brokerd/engine"
)

func TestParseAck(t *testing.T) {
	for _, tc := range []struct {
		name, in string
		want     engine.Ack
		bad      bool
	}{
		{name: "positive", in: `{"stream":"a","seq":7}`, want: engine.Ack{Stream: "a", Seq: 7}},
		{name: "spaces and more", in: `{"stream":"a", "domain":"d", "seq":18446744073709551615}`, want: engine.Ack{Stream: "a", Seq: 1<<64 - 1}},
		{name: "duplicate", in: `{"stream":"a","seq":7,"duplicate":true}`, want: engine.Ack{Stream: "a", Seq: 7, Duplicate: true}},
		{
			name: "wrong last sequence",
			in:   `{"error":{"code":400,"err_code":10071,"description":"wrong last sequence: 3"},"stream":"a","seq":0}`,
			want: engine.Ack{Stream: "a", Err: &engine.AckError{Status: 400, Code: 10071, Description: "wrong last sequence: 3"}},
		},
		{
			name: "an error voids the sequence",
			in:   `{"error":{"code":503,"err_code":10077,"description":"full"},"stream":"a","seq":9}`,
			want: engine.Ack{Stream: "a", Err: &engine.AckError{Status: 503, Code: 10077, Description: "full"}},
		},
		{name: "an error without detail", in: `{"error":{}}`, want: engine.Ack{Err: &engine.AckError{}}},
		{name: "empty", in: ``, bad: true},
		{name: "no object", in: `7`, bad: true},
		{name: "null", in: `null`, bad: true},
		{name: "cut", in: `{"stream":"a","seq":7`, bad: true},
		{name: "trailing", in: `{"stream":"a","seq":7}{`, bad: true},
		{name: "no stream", in: `{"seq":7}`, bad: true},
		{name: "no sequence", in: `{"stream":"a"}`, bad: true},
		{name: "sequence zero", in: `{"stream":"a","seq":0}`, bad: true},
		{name: "negative", in: `{"stream":"a","seq":-1}`, bad: true},
		{name: "too large", in: `{"stream":"a","seq":18446744073709551616}`, bad: true},
		{name: "fraction", in: `{"stream":"a","seq":1.5}`, bad: true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			got, err := engine.ParseAck([]byte(tc.in))
			if tc.bad != errors.Is(err, engine.ErrAck) || tc.bad != (err != nil) {
				t.Fatalf("ParseAck = %+v, %v", got, err)
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestAckErrorsAreTold(t *testing.T) {
	fence := &engine.AckError{Code: 10071, Description: "wrong last sequence: 3"}
	if !errors.Is(fence, engine.ErrWrongLastSeq) || errors.Is(&engine.AckError{Code: 10164}, engine.ErrWrongLastSeq) {
		t.Error("only code 10071 is the fence's refusal")
	}
	contains(t, fence, "wrong last sequence: 3", "10071")
}

func FuzzParseAck(f *testing.F) {
	for _, seed := range []string{
		``, `{}`, `null`, `{"stream":"a","seq":7}`, `{"stream":"a","seq":7,"duplicate":true}`, `{"error":null,"stream":"a","seq":1}`,
		`{"error":{"code":400,"err_code":10071,"description":"wrong last sequence: 3"},"stream":"a","seq":0}`,
		`{"stream":"a","seq":7,"seq":8}`, `{"STREAM":"a","Seq":7}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		a, err := engine.ParseAck(in)
		switch {
		case err != nil:
			if !errors.Is(err, engine.ErrAck) || a != (engine.Ack{}) {
				t.Errorf("%+v, %v", a, err)
			}
		case a.Err != nil:
			if a.Seq != 0 || a.Duplicate {
				t.Errorf("a refusal with a sequence: %+v", a)
			}
		case a.Seq == 0 || a.Stream == "":
			t.Errorf("a positive ack of nothing: %+v", a)
		}
	})
}
