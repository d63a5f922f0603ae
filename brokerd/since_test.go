package main

import (
	"testing"
	"time"
)

func TestOrigin(t *testing.T) {
	at := func(text string) *time.Time {
		parsed, err := time.Parse(time.RFC3339, text)
		if err != nil {
			t.Fatal(err)
		}
		return &parsed
	}
	for text, want := range map[string]origin{
		"earliest":                  {},
		"latest":                    {latest: true},
		"0":                         {offset: new(int64(0))},
		"1207":                      {offset: new(int64(1207))},
		"2026-11-23":                {time: at("2026-11-23T00:00:00Z")},
		"2026-11-23T10:15":          {time: at("2026-11-23T10:15:00Z")},
		"2026-11-23T10:15:07":       {time: at("2026-11-23T10:15:07Z")},
		"2026-11-23T10:15:07+02:00": {time: at("2026-11-23T08:15:07Z")},
	} {
		var got origin
		err := got.Set(text)
		same := err == nil && got.latest == want.latest && (got.offset == nil) == (want.offset == nil) && (got.time == nil) == (want.time == nil)
		if same && got.offset != nil {
			same = *got.offset == *want.offset
		}
		if same && got.time != nil {
			same = got.time.Equal(*want.time)
		}
		if !same || got.String() != text {
			t.Errorf("%s: %+v, %v, want %+v", text, got, err, want)
		}
	}
	var ago origin
	if err := ago.Set("7d"); err != nil || ago.time == nil || time.Since(*ago.time).Round(time.Hour) != 7*day {
		t.Errorf("7d: %+v, %v", ago, err)
	}
	for _, text := range []string{"", "-1", "yesterday", "end", "2026-13-01", "9223372036854775808"} {
		if err := new(origin).Set(text); err == nil {
			t.Errorf("%q is taken", text)
		}
	}
}
