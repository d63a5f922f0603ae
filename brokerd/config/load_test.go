package config_test

import (
	"errors"
	"fmt"
	"log/slog"
	"reflect"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/strandlog/strand/brokerd/config"
)

func TestParse(t *testing.T) {
	tests := map[string]struct {
		file string
		want config.Config
	}{
		"the least": {"data_dir: /data", config.Config{DataDir: "/data", Listen: config.ListenDefault}},
		"everything": {
			`
data_dir: /data
listen: 0.0.0.0:0
allow_remote: true
unsafe_no_sync: true
store_bytes_max: 512MiB
heads_max: 1000
cluster: {name: c, node: n-1, listen: '10.0.0.1:6222', advertise: 'a:1', peers: ['10.0.0.2:6222', '10.0.0.3:6222'], secret: s, tls: {cert: c, key: k, ca: a}}
admin: {listen: '127.0.0.1:0', allow_remote: true, pprof: true}
log: {level: debug, format: json}`,
			config.Config{
				DataDir: "/data", Listen: "0.0.0.0:0", AllowRemote: true, UnsafeNoSync: true, StoreBytesMax: 512 << 20, HeadsMax: 1000,
				Cluster: config.Cluster{
					Name: "c", Node: "n-1", Listen: "10.0.0.1:6222", Advertise: "a:1", Peers: []string{"10.0.0.2:6222", "10.0.0.3:6222"}, Secret: "s",
					TLS: config.TLS{Cert: "c", Key: "k", CA: "a"},
				},
				Admin: config.Admin{Listen: "127.0.0.1:0", AllowRemote: true, Pprof: true},
				Log:   config.Log{Level: slog.LevelDebug, Format: config.JSON},
			},
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			got, err := config.Parse("brokerd.yaml", []byte(test.file))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// TestReference reads the file that help shows, with and without its comments.
func TestReference(t *testing.T) {
	for name, file := range map[string]string{"as it is": config.Reference, "with the defaults": strings.ReplaceAll(config.Reference, "\n# ", "\n")} {
		got, err := config.Parse("brokerd.yaml", []byte(file))
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
		got.StoreBytesMax, got.FreeBytesMin, got.HeadsMax, got.Admin.Listen, got.Cluster = 0, 0, 0, "", config.Cluster{} // spelled out
		if diff := cmp.Diff(config.Config{DataDir: "/var/lib/brokerd", Listen: config.ListenDefault}, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

func TestParseRefuses(t *testing.T) {
	tests := map[string]struct {
		file string
		want config.Error // without Reason
		says string       // a part of Reason
	}{
		"nothing":         {"", config.Error{Key: "data_dir"}, "is missing"},
		"only a comment":  {"# later\n", config.Error{Key: "data_dir"}, "is missing"},
		"two nodes":       {"data_dir: d\ncluster: {name: c, node: n, listen: 'a:1', peers: ['b:1'], secret: s}", config.Error{Line: 2, Key: "cluster.peers"}, "1, 3 or 5"},
		"no secret":       {"data_dir: d\ncluster: {name: c, node: n, listen: 'a:1'}", config.Error{Line: 2, Key: "cluster.secret"}, "is missing"},
		"no list":         {"data_dir: d\ncluster: {name: c, node: n, listen: 'a:1', peers: b, secret: s}", config.Error{Line: 2, Key: "cluster.peers"}, "takes a list"},
		"a bad name":      {"data_dir: d\ncluster: {name: 'a b', node: n, listen: 'a:1', secret: s}", config.Error{Line: 2, Key: "cluster.name"}, "other characters"},
		"unknown key":     {"data_dir: d\nlisen: x", config.Error{Line: 2, Key: "lisen", Suggestion: "listen"}, "unknown key"},
		"a strange key":   {"data_dir: d\nzzz: x", config.Error{Line: 2, Key: "zzz"}, "known are data_dir"},
		"unknown in log":  {"data_dir: d\nlog:\n  lvel: info", config.Error{Line: 3, Key: "log.lvel", Suggestion: "level"}, "unknown key"},
		"key twice":       {"data_dir: d\n\ndata_dir: e", config.Error{Line: 3, Key: "data_dir"}, "first in line 1"},
		"a list":          {"- data_dir", config.Error{Line: 1}, "must hold keys"},
		"a list in log":   {"data_dir: d\nlog: [level]", config.Error{Line: 2, Key: "log"}, "level, format"},
		"no value":        {"data_dir:", config.Error{Line: 1, Key: "data_dir"}, "an empty value is not a text"},
		"empty value":     {"data_dir: ''", config.Error{Line: 1, Key: "data_dir"}, "the text is empty"},
		"map for text":    {"data_dir: {a: b}", config.Error{Line: 1, Key: "data_dir"}, "single value"},
		"alias":           {"data_dir: &d data\nlisten: *d", config.Error{Line: 2, Key: "listen"}, "single value"},
		"number for text": {"data_dir: 12", config.Error{Line: 1, Key: "data_dir"}, "in quotes"},
		"text for bool":   {"data_dir: d\nunsafe_no_sync: 'true'", config.Error{Line: 2, Key: "unsafe_no_sync"}, "neither true nor false"},
		"no count":        {"data_dir: d\nheads_max: 0", config.Error{Line: 2, Key: "heads_max"}, "whole number from 1"},
		"negative size":   {"data_dir: d\nstore_bytes_max: -1", config.Error{Line: 2, Key: "store_bytes_max"}, "not a size"},
		"zero size":       {"data_dir: d\nstore_bytes_max: 0", config.Error{Line: 2, Key: "store_bytes_max"}, "no bound"},
		"huge size":       {"data_dir: d\nstore_bytes_max: 9999999999TiB", config.Error{Line: 2, Key: "store_bytes_max"}, "more than a disk"},
		"wrong level":     {"data_dir: d\nlog: {level: wran}", config.Error{Line: 2, Key: "log.level", Suggestion: "warn"}, "not one of"},
		"address":         {"data_dir: d\nlisten: localhost", config.Error{Line: 2, Key: "listen"}, "host:port"},
		"port":            {"data_dir: d\nlisten: localhost:99999", config.Error{Line: 2, Key: "listen"}, "host:port"},
		"remote":          {"data_dir: d\nlisten: ':4222'", config.Error{Line: 2, Key: "listen"}, "allow_remote"},
		"admin remote":    {"data_dir: d\nadmin: {listen: '0.0.0.0:8080'}", config.Error{Line: 2, Key: "admin.listen"}, "allow_remote: true under admin"},
		"two documents":   {"data_dir: d\n---\ndata_dir: e", config.Error{Line: 2}, "more than one document"},
		"not YAML":        {"data_dir: d\n\tlisten: x", config.Error{Line: 2}, "not YAML"},
		"too big":         {strings.Repeat("#", 1<<20+1), config.Error{}, "more than 1048576 bytes"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			_, err := config.Parse("brokerd.yaml", []byte(test.file))
			got := new(config.Error)
			if !errors.As(err, &got) || !errors.Is(err, config.ErrInvalid) {
				t.Fatalf("Parse: %v, want an ErrInvalid", err)
			}
			if !strings.Contains(got.Reason, test.says) {
				t.Errorf("the reason %q does not say %q", got.Reason, test.says)
			}
			test.want.File, test.want.Reason = "brokerd.yaml", got.Reason
			if diff := cmp.Diff(test.want, *got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(config.Reference))
	f.Add([]byte("data_dir: &a d\nlog: *a\n<<: {listen: x}"))
	f.Add([]byte("data_dir: d\n---\n? [a]\n: !!binary x"))
	f.Add([]byte("{data_dir: d, store_bytes_max: 12 GiB, heads_max: 1e3}"))
	f.Fuzz(func(t *testing.T, file []byte) {
		cfg, err := config.Parse("brokerd.yaml", file)
		if err != nil {
			if !errors.Is(err, config.ErrInvalid) || !reflect.DeepEqual(cfg, config.Config{}) {
				t.Errorf("Parse: %+v, %v", cfg, err)
			}
			return
		}
		if cfg.DataDir == "" || cfg.StoreBytesMax < 0 || cfg.HeadsMax < 0 || config.CheckListen(cfg.Listen, cfg.AllowRemote) != nil {
			t.Errorf("Parse accepts %+v", cfg)
		}
	})
}

func ExampleParse() {
	_, err := config.Parse("brokerd.yaml", []byte("data_dir: /data\nlisten: 127.0.0.1:4222\nstore_byte_max: 512MiB"))
	fmt.Println(err)
	// Output: brokerd.yaml:3: store_byte_max: unknown key: did you mean "store_bytes_max"?
}
