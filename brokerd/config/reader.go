package config

import (
	"errors"
	"fmt"
	"strings"

	"go.yaml.in/yaml/v3"
)

// reader takes a parsed file into a Config and collects what is wrong with it.
type reader struct {
	file  string
	cfg   Config
	lines map[string]int  // of the keys that were set
	meant map[string]bool // keys that were suggested for an unknown one
	errs  []error
}

func (r *reader) fail(line int, key, reason, suggestion string) {
	r.errs = append(r.errs, &Error{File: r.file, Line: line, Key: key, Reason: reason, Suggestion: suggestion})
}

// mapping takes the keys of one level. prefix ends with a dot, or is empty.
func (r *reader) mapping(prefix string, node *yaml.Node, known []setting) {
	var keys []string
	for _, s := range known {
		keys = append(keys, s.key)
	}
	if node.Kind != yaml.MappingNode {
		r.fail(node.Line, strings.TrimSuffix(prefix, "."), fmt.Sprintf("must hold keys, each as `key: value`: %s", strings.Join(keys, ", ")), "")
		return
	}
	for i := 0; i+1 < len(node.Content); i += 2 {
		key, value := node.Content[i], node.Content[i+1]
		s, ok := find(known, key.Value)
		if !ok {
			r.unknown(key.Line, prefix, key.Value, keys)
			continue
		}
		name := prefix + s.key
		if first, twice := r.lines[name]; twice {
			r.fail(key.Line, name, fmt.Sprintf("set twice, first in line %d: remove one", first), "")
			continue
		}
		r.lines[name] = key.Line
		r.take(name, s, value)
	}
}

// unknown lists the known keys where none of them is close.
func (r *reader) unknown(line int, prefix, key string, keys []string) {
	meant := suggest(key, keys)
	reason := "unknown key"
	if meant == "" {
		reason += ", known are " + strings.Join(keys, ", ")
	}
	r.meant[prefix+meant] = true
	r.fail(line, fmt.Sprintf("%s%.60s", prefix, key), reason, meant)
}

func (r *reader) take(name string, s setting, value *yaml.Node) {
	switch {
	case s.group != nil:
		r.mapping(name+".", value, s.group)
	case s.list != nil:
		if value.Kind != yaml.SequenceNode {
			r.fail(value.Line, name, "takes a list, such as [10.0.0.2:6222, 10.0.0.3:6222]", "")
			return
		}
		for _, one := range value.Content {
			r.take(name, setting{key: s.key, set: s.list}, one)
		}
	case value.Kind != yaml.ScalarNode:
		r.fail(value.Line, name, "takes a single value", "")
	default:
		invalid := new(valueError)
		if err := s.set(&r.cfg, value); errors.As(err, &invalid) {
			r.fail(value.Line, name, invalid.reason, invalid.suggestion)
		}
	}
}

func find(known []setting, key string) (setting, bool) {
	for _, s := range known {
		if s.key == key {
			return s, true
		}
	}
	return setting{}, false
}

// check looks at what the keys say together.
func (r *reader) check() {
	if _, set := r.lines["data_dir"]; !set && !r.meant["data_dir"] {
		r.fail(0, "data_dir", "is missing: name the directory for the node's data, such as `data_dir: /var/lib/brokerd`", "")
	}
	if err := CheckListen(r.cfg.Listen, r.cfg.AllowRemote); err != nil && r.cfg.Listen != "" {
		r.fail(r.lines["listen"], "listen", fmt.Sprintf("%.60q: %v", r.cfg.Listen, err), "")
	}
	if err := CheckAdmin(r.cfg.Admin.Listen, r.cfg.Admin.AllowRemote); err != nil && r.cfg.Admin.Listen != "" {
		r.fail(r.lines["admin.listen"], "admin.listen", fmt.Sprintf("%.60q: %v", r.cfg.Admin.Listen, err), "")
	}
	if _, set := r.lines["cluster"]; set {
		r.checkCluster()
	}
}

func (r *reader) checkCluster() {
	c := &r.cfg.Cluster
	for _, required := range []struct{ key, value string }{{"cluster.name", c.Name}, {"cluster.node", c.Node}, {"cluster.listen", c.Listen}} {
		if _, set := r.lines[required.key]; !set && !r.meant[required.key] {
			r.fail(r.lines["cluster"], required.key, "is missing", "")
		}
	}
	for _, address := range append([]string{c.Listen, c.Advertise}, c.Peers...) {
		if address != "" && check(address, true, nil) != nil {
			r.fail(r.lines["cluster"], "cluster", fmt.Sprintf("%.60q: write host:port, such as 10.0.0.1:6222", address), "")
		}
	}
	if n := len(c.Peers) + 1; n != 1 && n != 3 && n != 5 {
		r.fail(r.lines["cluster"], "cluster.peers", fmt.Sprintf("%d nodes with this one: there can be 1, 3 or 5", n), "")
	}
	tls := c.TLS != TLS{}
	if tls && (c.TLS.Cert == "" || c.TLS.Key == "" || c.TLS.CA == "") {
		r.fail(r.lines["cluster.tls"], "cluster.tls", "needs cert, key and ca", "")
	}
	if c.Secret == "" && !tls {
		r.fail(r.lines["cluster"], "cluster.secret", "is missing: without it, or certificates, anybody who reaches this address could write to the log", "")
	}
}
