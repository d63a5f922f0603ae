package broker

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/google/uuid"
)

// identity is what a node draws once and keeps for ever: the file node.json in its directory.
type identity struct {
	Node           string    `json:"node"`
	CatalogueID    uuid.UUID `json:"catalogueId"`
	CatalogueLogID uuid.UUID `json:"catalogueLogId"`
	Started        bool      `json:"started"` // the catalogue exists: from then on a missing log is a loss
	Cluster        string    `json:"cluster,omitempty"`

	nodes int // of the cluster, as it is configured; 0: the node is alone
}

func identityPath(dir string) string { return filepath.Join(dir, "node.json") }

// loadIdentity reads a node's identity, or draws it in an empty directory.
func loadIdentity(dir string) (identity, error) {
	path := identityPath(dir)
	data, err := os.ReadFile(path)
	if err == nil {
		var id identity
		if err := json.Unmarshal(data, &id); err != nil {
			return id, fmt.Errorf("%s is damaged: restore it from a backup: %w", path, err)
		}
		return id, nil
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return identity{}, fmt.Errorf("reading the node's identity: %w", err)
	}
	// The directory itself may be there: the mount point of a volume for the log.
	if _, err := os.Stat(filepath.Join(logDir(dir), "jetstream")); err == nil {
		return identity{}, fmt.Errorf("%s holds a log but no node.json: restore that file from a backup, or choose another directory", dir)
	}
	id := identity{Node: "node-" + uuid.NewString()[:8], CatalogueID: uuid.New(), CatalogueLogID: uuid.New()}
	return id, id.save(dir)
}

func (id identity) save(dir string) error {
	data, err := json.MarshalIndent(id, "", "  ")
	if err != nil {
		return fmt.Errorf("encoding the node's identity: %w", err)
	}
	return writeDurably(identityPath(dir), append(data, '\n'))
}

// writeDurably replaces a file so that after a crash it is the old one or the new one, whole.
func writeDurably(path string, data []byte) (err error) {
	tmp := path + ".new"
	f, err := os.OpenFile(tmp, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return fmt.Errorf("writing %s: %w", path, err)
	}
	_, err = f.Write(data)
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return fmt.Errorf("writing %s: %w", path, err)
	}
	if err := os.Rename(tmp, path); err != nil {
		return fmt.Errorf("writing %s: %w", path, err)
	}
	return syncDirectory(filepath.Dir(path))
}

func syncDirectory(path string) error {
	dir, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("syncing the directory %s: %w", path, err)
	}
	return errors.Join(dir.Sync(), dir.Close())
}

func logDir(dir string) string { return filepath.Join(dir, "log") }
