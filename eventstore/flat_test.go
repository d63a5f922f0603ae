package eventstore

import (
	"encoding/json"
	"math"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
)

type flatInner struct {
	A string `json:"a"`
	B int8
}

type flatEvent struct {
	Text    string `json:"text"`
	Int     int    `json:"int,omitempty"`
	Small   int8
	Uint    uint16 `json:"u-int"`
	Float   float64
	Float32 float32
	Yes     bool `json:",omitzero"`
	Inner   flatInner
	At      time.Time
	ID      uuid.UUID
	Skipped string `json:"-"`
	hidden  int    //nolint:unused // what is not exported is left alone
}

func flatSamples() []flatEvent {
	return []flatEvent{
		{},
		{Text: "plain", Int: -12, Small: -128, Uint: 65535, Float: -1.5e300, Float32: 0.1, Yes: true, Inner: flatInner{"x", 7}, At: time.Unix(1e9, 5).UTC(), ID: uuid.Max},
		{Text: strings.Repeat("é漢", 40), Float: math.SmallestNonzeroFloat64},
		{Text: "with \"quotes\", <tags> & \n lines \x7f \u2028"},
		{Text: "invalid \xff", Int: math.MaxInt64},
	}
}

func TestFlatReadsWhatJSONWrites(t *testing.T) {
	f := newFlat(reflect.TypeFor[flatEvent]())
	if f == nil {
		t.Fatal("the type is declined")
	}
	for i, sample := range flatSamples() {
		data, err := json.Marshal(sample)
		if err != nil {
			t.Fatal(err)
		}
		var got flatEvent
		quick := f.decode(data, reflect.ValueOf(&got).Elem())
		if wanted := !strings.Contains(string(data), `\`); quick != wanted {
			t.Errorf("sample %d: read it: %v, wanted %v: %s", i, quick, wanted, data)
		}
		checkFlat[flatEvent](t, f, data)
	}
}

func TestFlatDeclinesTypes(t *testing.T) {
	type embedded struct{ flatInner }
	for _, event := range []any{
		1, map[string]int{}, embedded{}, time.Time{},
		struct{ P *int }{}, struct{ S []string }{}, struct{ N json.Number }{}, struct{ A any }{}, struct{ E embedded }{},
		struct {
			N int `json:",string"`
		}{},
		struct {
			N int `json:"näme"`
		}{},
		struct {
			A int `json:"b"`
			B int
		}{},
	} {
		if newFlat(reflect.TypeOf(event)) != nil {
			t.Errorf("%T is not declined", event)
		}
	}
}

// checkFlat holds flat to json.Unmarshal: what it reads must be what that reads, and what that refuses it must decline.
func checkFlat[T any](t *testing.T, f *flat, data []byte) {
	t.Helper()
	var got, want T
	if !f.decode(data, reflect.ValueOf(&got).Elem()) {
		return
	}
	if err := json.Unmarshal(data, &want); err != nil {
		t.Fatalf("%q is no JSON for it (%v), and was read as %+v", data, err, got)
	}
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(flatEvent{})); diff != "" {
		t.Fatalf("%q: %s", data, diff)
	}
}

func FuzzFlat(f *testing.F) {
	for _, sample := range flatSamples() {
		data, err := json.Marshal(sample)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	for _, text := range []string{
		``, `{`, `{}`, `{}}`, `{"text":""`, `{"text":"}`, `{"int":1,"text":"x"}`, `{"int":01}`, `{"int":1.0}`, `{"int":1e2}`, `{"int":-}`, `{"Small":128}`,
		`{"u-int":-1}`, `{"Float":1.}`, `{"Float":.5}`, `{"Float":1e999}`, `{"Float":1e+2}`, `{"Yes":null}`, `{"Yes":tru`, `{"text":"x",}`, `{,"text":"x"}`,
		`{"Inner":{"B":1}}`, `{"Inner":{"a":"x"}`, `{"At":""}`, `{"ID":"x"}`, `{"text":"x" }`, `{"TEXT":"x"}`, `{"text":"x","text":"y"}`, "{\"text\":\"\x01\"}", `{"text":"x"}{`,
	} {
		f.Add([]byte(text))
	}
	plan := newFlat(reflect.TypeFor[flatEvent]())
	f.Fuzz(func(t *testing.T, data []byte) { checkFlat[flatEvent](t, plan, data) })
}

func BenchmarkDecodeEvent(b *testing.B) {
	type event struct {
		N    int    `json:"n"`
		Text string `json:"text"`
	}
	data, err := json.Marshal(event{1, strings.Repeat("x", 230)})
	if err != nil {
		b.Fatal(err)
	}
	decode := decoderOf(reflect.TypeFor[event]())
	for name, codec := range map[string]Codec{"flat": JSON{}, "encoding-json": anotherJSON{}} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := decode(codec, data); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// anotherJSON is a codec of which nobody knows that it is JSON.
type anotherJSON struct{ JSON }
