package config

import (
	"fmt"
	"log/slog"
	"strings"

	"go.yaml.in/yaml/v3"
)

// setting is a key of the file: it takes a scalar, or several, or it is a group of settings.
type setting struct {
	key   string
	set   func(c *Config, value *yaml.Node) error
	list  func(c *Config, value *yaml.Node) error // of each
	group []setting
}

func settings() []setting {
	return []setting{
		{key: "data_dir", set: func(c *Config, v *yaml.Node) (err error) { c.DataDir, err = text(v); return err }},
		{key: "listen", set: func(c *Config, v *yaml.Node) (err error) { c.Listen, err = text(v); return err }},
		{key: "allow_remote", set: func(c *Config, v *yaml.Node) (err error) { c.AllowRemote, err = boolean(v); return err }},
		{key: "unsafe_no_sync", set: func(c *Config, v *yaml.Node) (err error) { c.UnsafeNoSync, err = boolean(v); return err }},
		{key: "store_bytes_max", set: func(c *Config, v *yaml.Node) (err error) { c.StoreBytesMax, err = size(v); return err }},
		{key: "free_bytes_min", set: func(c *Config, v *yaml.Node) (err error) { c.FreeBytesMin, err = size(v); return err }},
		{key: "heads_max", set: func(c *Config, v *yaml.Node) (err error) { c.HeadsMax, err = count(v); return err }},
		{key: "cluster", group: []setting{
			{key: "name", set: func(c *Config, v *yaml.Node) (err error) { c.Cluster.Name, err = word(v); return err }},
			{key: "node", set: func(c *Config, v *yaml.Node) (err error) { c.Cluster.Node, err = word(v); return err }},
			{key: "listen", set: func(c *Config, v *yaml.Node) (err error) { c.Cluster.Listen, err = text(v); return err }},
			{key: "advertise", set: func(c *Config, v *yaml.Node) (err error) { c.Cluster.Advertise, err = text(v); return err }},
			{key: "peers", list: func(c *Config, v *yaml.Node) error {
				peer, err := text(v)
				c.Cluster.Peers = append(c.Cluster.Peers, peer)
				return err
			}},
			{key: "secret", set: func(c *Config, v *yaml.Node) (err error) { c.Cluster.Secret, err = text(v); return err }},
			{key: "tls", group: []setting{
				{key: "cert", set: func(c *Config, v *yaml.Node) (err error) { c.Cluster.TLS.Cert, err = text(v); return err }},
				{key: "key", set: func(c *Config, v *yaml.Node) (err error) { c.Cluster.TLS.Key, err = text(v); return err }},
				{key: "ca", set: func(c *Config, v *yaml.Node) (err error) { c.Cluster.TLS.CA, err = text(v); return err }},
			}},
		}},
		{key: "admin", group: []setting{
			{key: "listen", set: func(c *Config, v *yaml.Node) (err error) { c.Admin.Listen, err = text(v); return err }},
			{key: "allow_remote", set: func(c *Config, v *yaml.Node) (err error) { c.Admin.AllowRemote, err = boolean(v); return err }},
			{key: "pprof", set: func(c *Config, v *yaml.Node) (err error) { c.Admin.Pprof, err = boolean(v); return err }},
		}},
		{key: "log", group: []setting{
			{key: "level", set: func(c *Config, v *yaml.Node) (err error) {
				c.Log.Level, err = choice(v, option[slog.Level]{"debug", slog.LevelDebug}, option[slog.Level]{"info", slog.LevelInfo},
					option[slog.Level]{"warn", slog.LevelWarn}, option[slog.Level]{"error", slog.LevelError})
				return err
			}},
			{key: "format", set: func(c *Config, v *yaml.Node) (err error) {
				c.Log.Format, err = choice(v, option[Format]{"auto", Auto}, option[Format]{"text", Text}, option[Format]{"json", JSON})
				return err
			}},
		}},
	}
}

// A valueError says what a value has to be.
type valueError struct{ reason, suggestion string }

func (e *valueError) Error() string { return e.reason }

func text(v *yaml.Node) (string, error) {
	if v.Tag != "!!str" {
		return "", &valueError{reason: fmt.Sprintf("%s is not a text: put it in quotes", shown(v))}
	}
	if v.Value == "" {
		return "", &valueError{reason: "the text is empty: give a value, or leave the key out"}
	}
	return v.Value, nil
}

// word is a text that can be a part of names.
func word(v *yaml.Node) (string, error) {
	s, err := text(v)
	for _, c := range []byte(s) {
		letter := 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || c == '-' || c == '_'
		if !letter {
			return "", &valueError{reason: fmt.Sprintf("%s has other characters than letters, digits, dashes and underscores", shown(v))}
		}
	}
	if len(s) > wordBytesMax {
		return "", &valueError{reason: fmt.Sprintf("%s has more than %d characters", shown(v), wordBytesMax)}
	}
	return s, err
}

const wordBytesMax = 64

func boolean(v *yaml.Node) (bool, error) {
	var b bool
	if v.Tag != "!!bool" || v.Decode(&b) != nil {
		return false, &valueError{reason: fmt.Sprintf("%s is neither true nor false", shown(v))}
	}
	return b, nil
}

func size(v *yaml.Node) (int64, error) {
	n, err := ParseSize(v.Value)
	if err != nil {
		return 0, &valueError{reason: fmt.Sprintf("%s is not a size: %v", shown(v), err)}
	}
	if n == 0 {
		return 0, &valueError{reason: "0 is no bound: leave the key out for the default"}
	}
	return n, nil
}

// countMax keeps what is made of a count within an int32 of places.
const countMax = 1 << 30

func count(v *yaml.Node) (int, error) {
	var n int
	if v.Tag != "!!int" || v.Decode(&n) != nil || n < 1 || n > countMax {
		return 0, &valueError{reason: fmt.Sprintf("%s is not a whole number from 1 to %d", shown(v), countMax)}
	}
	return n, nil
}

// option is a word of the file and what it means.
type option[T any] struct {
	word  string
	value T
}

func choice[T any](v *yaml.Node, options ...option[T]) (T, error) {
	var words []string
	for _, o := range options {
		if v.Value == o.word {
			return o.value, nil
		}
		words = append(words, o.word)
	}
	var none T
	return none, &valueError{reason: fmt.Sprintf("%s is not one of %s", shown(v), strings.Join(words, ", ")), suggestion: suggest(v.Value, words)}
}

// shown is a value in an error, cut to a length that can be read.
func shown(v *yaml.Node) string {
	if v.Tag == "!!null" {
		return "an empty value"
	}
	return fmt.Sprintf("%.60q", v.Value)
}
