package config

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"regexp"
	"strconv"

	"go.yaml.in/yaml/v3"
)

// fileBytesMax is far beyond any configuration: a bigger file is something else.
const fileBytesMax = 1 << 20

// Load reads and checks a file. Every error is an ErrInvalid, or says why the file cannot be read.
func Load(file string) (Config, error) {
	f, err := os.Open(file)
	if err != nil {
		return Config{}, fmt.Errorf("reading the configuration: %w", err)
	}
	defer func() { _ = f.Close() }() // nothing was written
	data, err := io.ReadAll(io.LimitReader(f, fileBytesMax+1))
	if err != nil {
		return Config{}, fmt.Errorf("reading the configuration: %w", err)
	}
	return Parse(file, data)
}

// Parse checks what file holds. The name is used in errors alone.
func Parse(file string, data []byte) (Config, error) {
	if len(data) > fileBytesMax {
		return Config{}, &Error{File: file, Reason: fmt.Sprintf("more than %d bytes cannot be a configuration of brokerd", fileBytesMax)}
	}
	r := reader{file: file, cfg: Config{Listen: ListenDefault}, lines: map[string]int{}, meant: map[string]bool{}}
	decoder := yaml.NewDecoder(bytes.NewReader(data))
	var document, second yaml.Node
	switch err := decoder.Decode(&document); {
	case errors.Is(err, io.EOF): // an empty file
	case err != nil:
		return Config{}, syntaxError(file, err)
	default:
		if err := decoder.Decode(&second); !errors.Is(err, io.EOF) {
			return Config{}, &Error{File: file, Line: second.Line, Reason: "the file holds more than one document: keep the first, without ---"}
		}
		r.mapping("", document.Content[0], settings())
	}
	r.check()
	if err := errors.Join(r.errs...); err != nil {
		return Config{}, err
	}
	return r.cfg, nil
}

// syntaxError takes the line out of the parser's message, which has no other place for it.
func syntaxError(file string, err error) error {
	e := &Error{File: file, Reason: "not YAML: " + err.Error()}
	if found := regexp.MustCompile(`^yaml: line (\d+): (.*)$`).FindStringSubmatch(err.Error()); found != nil {
		e.Line, _ = strconv.Atoi(found[1])
		e.Reason = "not YAML: " + found[2]
	}
	return e
}
