package index

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"encoding/hex"
	"slices"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// name draws names that are likely to be equal, to be prefixes of each other and to hold the bytes that are escaped.
func name() *rapid.Generator[string] {
	return rapid.StringOfN(rapid.SampledFrom([]rune{0, 1, 2, 'a', 'b', 0x10ffff}), 0, 6, nameBytesMax)
}

func TestNamesKeepTheirOrderAndEndOnce(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, b := name().Draw(t, "a"), name().Draw(t, "b")
		x, y := appendName(nil, a), appendName(nil, b)
		if got, want := bytes.Compare(x, y), cmp.Compare(a, b); got != want {
			t.Fatalf("names %q and %q compare %d, their encodings %d", a, b, want, got)
		}
		if a != b && (bytes.HasPrefix(x, y) || bytes.HasPrefix(y, x)) {
			t.Fatalf("one of the encodings of %q and %q begins with the other", a, b)
		}
		if i := bytes.IndexByte(x, nameEnd); i != len(x)-1 {
			t.Fatalf("encoding %x of %q has an end at %d", x, a, i)
		}
		if z := appendName(nil, []byte(a)); !bytes.Equal(x, z) {
			t.Fatalf("%q is %x as a string and %x as bytes", a, x, z)
		}
		if got, rest, err := cutName(append(x, 0xff)); err != nil || string(got) != a || len(rest) != 1 {
			t.Fatalf("%x is read as %q and %x, error %v; want %q", x, got, rest, err, a)
		}
	})
}

// TestCutAgreesWithOrder checks what Pebble demands of a comparer, also for the shortened keys that it makes up itself.
func TestCutAgreesWithOrder(t *testing.T) {
	c := layout()
	key := rapid.Custom(func(t *rapid.T) []byte {
		k := appendStream(nil, rapid.Int32Range(0, 3).Draw(t, "partition"), name().Draw(t, "stream"))
		switch rapid.IntRange(0, 5).Draw(t, "row") {
		case 0:
			k = append(k, suffixHead)
		case 1:
			k = appendEventSuffix(k, rapid.Int64Range(1, 300).Draw(t, "version"))
		case 2:
			k = appendCommandSuffix(k, name().Draw(t, "command"))
		case 3:
			k = appendProducerKey(nil, rapid.Uint64().Draw(t, "producer"))
		case 4:
			k = appendTag(nil, rapid.Int32Range(0, 3).Draw(t, "partition"), []byte(name().Draw(t, "tag")))
			k = binary.BigEndian.AppendUint64(appendName(k, name().Draw(t, "type")), rapid.Uint64Range(0, 300).Draw(t, "offset"))
		case 5:
			k = appendTypeKey(nil, rapid.Int32Range(0, 3).Draw(t, "partition"), []byte(name().Draw(t, "type")))
		}
		return k[:rapid.IntRange(1, len(k)).Draw(t, "length")]
	})
	byParts := func(a, b []byte) int {
		i, j := c.Split(a), c.Split(b)
		return cmp.Or(bytes.Compare(a[:i], b[:j]), bytes.Compare(a[i:], b[j:]))
	}
	rapid.Check(t, func(t *rapid.T) {
		a, b := key.Draw(t, "a"), key.Draw(t, "b")
		if got, want := c.Compare(a, b), byParts(a, b); got != want {
			t.Fatalf("Compare(%x, %x) = %d, by parts %d", a, b, got, want)
		}
		if bytes.Compare(a, b) < 0 {
			between := c.Separator(nil, a, b)
			if byParts(a, between) > 0 || byParts(between, b) >= 0 {
				t.Fatalf("%x does not separate %x from %x", between, a, b)
			}
		}
	})
}

// TestLayoutIsWritten holds the bytes on disk. Whoever changes one of them changes layoutName too, or old directories are misread.
func TestLayoutIsWritten(t *testing.T) {
	stream := slices.Clip(appendStream(nil, 7, "a-\x01"))
	mark := markOf(1)
	got := map[string]string{
		"name":          layoutName,
		"producer key":  hex.EncodeToString(appendProducerKey(nil, 0x0102030405060708)),
		"head key":      hex.EncodeToString(append(stream, suffixHead)),
		"event key":     hex.EncodeToString(appendEventSuffix(stream, 258)),
		"command key":   hex.EncodeToString(appendCommandSuffix(stream, "c1")),
		"pointer":       hex.EncodeToString(appendPointer(nil, pointerOf(200))),
		"head":          hex.EncodeToString(appendHead(nil, 300)),
		"command":       hex.EncodeToString(appendCommand(nil, 300, 2)),
		"posting key":   hex.EncodeToString(binary.BigEndian.AppendUint64(appendName(appendTag(nil, 7, []byte("t\x00")), "k"), 258)),
		"type key":      hex.EncodeToString(appendTypeKey(nil, 7, []byte("k"))),
		"watermark key": hex.EncodeToString(watermarkKey()),
		"watermark":     hex.EncodeToString(mark.encode()),
	}
	want := map[string]string{
		"name":          "strand.index.2",
		"producer key":  "020102030405060708",
		"head key":      "0300000007612d01020000",
		"event key":     "0300000007612d010200010000000000000102",
		"command key":   "0300000007612d010200026331",
		"pointer":       "b00990a3abfef962c8018064ac02feed00c8",
		"head":          "ac02",
		"command":       "ac0202",
		"posting key":   "0400000007740101006b000000000000000102",
		"type key":      "05000000076b00",
		"watermark key": "01",
		"watermark": "01020300000000000000000000000000" + "0000000000000001" + "0000000000000007" + "0000000000000008" + "0000000000000009" + "0000018bcfe56800" +
			"00000002" + "0000000000000005" + "0000000000000000" + "0000000000000001" + "0000000000000002" +
			"0000000000000000" + "0000000000000000" + "0000000000000000" + "0000000000000000",
	}
	if diff := gocmp.Diff(want, got); diff != "" {
		t.Errorf("layout (-want +got):\n%s", diff)
	}
}
