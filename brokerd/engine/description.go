package engine

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/nats-io/nats-server/v2/server"
)

// ErrDescription is what a [DescriptionError] is.
var ErrDescription = errors.New("damaged description of an engine stream")

// DescriptionError says that a stream has a directory that the engine did not take in: one of the two small files that say what the stream is cannot be
// used. The messages may be sound. To the engine the stream does not exist, so it is an ErrDescription, and an ErrUnknownStream.
type DescriptionError struct {
	Stream string
	Path   string
	Reason string
}

func (e *DescriptionError) Error() string {
	return fmt.Sprintf("engine stream %s cannot be opened: %s %s: stop the node and put %s and %s of this directory back from a copy, however old, because they never change; "+
		"or restore a backup. Its messages are still there: do not remove the directory", e.Stream, e.Path, e.Reason, server.JetStreamMetaFile, server.JetStreamMetaFileSum)
}

// Is makes errors.Is(err, ErrDescription) and errors.Is(err, ErrUnknownStream) true.
func (e *DescriptionError) Is(target error) bool {
	return target == ErrDescription || target == ErrUnknownStream
}

// unknown is why the engine does not know a stream.
func (e *Engine) unknown(stream string) error {
	dir := filepath.Join(e.cfg.Dir, server.JetStreamStoreDir, logAccount, "streams", stream)
	if e.cfg.Cluster != nil { // there the nodes know from each other what a stream is, whatever these files say
		return &UnknownStreamError{Stream: stream}
	}
	if _, err := os.Stat(dir); err != nil {
		return &UnknownStreamError{Stream: stream}
	}
	for _, name := range []string{server.JetStreamMetaFile, server.JetStreamMetaFileSum} {
		path := filepath.Join(dir, name)
		switch info, err := os.Stat(path); {
		case errors.Is(err, fs.ErrNotExist):
			return &DescriptionError{Stream: stream, Path: path, Reason: "is missing"}
		case err != nil:
			return &DescriptionError{Stream: stream, Path: path, Reason: "cannot be read: " + err.Error()}
		case info.Size() == 0:
			return &DescriptionError{Stream: stream, Path: path, Reason: "is empty"}
		}
	}
	return &DescriptionError{
		Stream: stream, Path: filepath.Join(dir, server.JetStreamMetaFile),
		Reason: "is damaged, or " + server.JetStreamMetaFileSum + ", its checksum, is (the engine's log says more)",
	}
}
