package config

import "testing"

func TestParseSize(t *testing.T) {
	tests := map[string]int64{
		"0": 0, "1048576": 1 << 20, "7B": 7, "512MiB": 512 << 20, "512 MiB": 512 << 20, "3KiB": 3 << 10, "20GiB": 20 << 30, "1TiB": 1 << 40,
		"1kB": 1e3, "1KB": 1e3, "1MB": 1e6, "1GB": 1e9, "2TB": 2e12, "9223372036854775807": 1<<63 - 1, "8388607TiB": 8388607 << 40,
	}
	for text, want := range tests {
		if got, err := ParseSize(text); err != nil || got != want {
			t.Errorf("ParseSize(%q) = %d, %v, want %d", text, got, err, want)
		}
	}
	for _, text := range []string{"", "MiB", "-1", "1.5GiB", "1mib", "1M", "12QiB", "9223372036854775808", "8388608TiB", "1GiB1", "0x10", "1_000"} {
		if got, err := ParseSize(text); err == nil {
			t.Errorf("ParseSize(%q) = %d, want an error", text, got)
		}
	}
}
