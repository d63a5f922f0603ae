package index

import (
	"context"

	"github.com/cockroachdb/pebble/v2/objstorage/objstorageprovider"
	"github.com/cockroachdb/pebble/v2/sstable"
	"github.com/cockroachdb/pebble/v2/vfs"
)

// unjoined is the name of the table that is being written. Pebble does not know the name and leaves the file alone; Open removes it.
const unjoined = "unjoined"

// table is a table of Pebble's in the making. Its rows come in the order of their keys, each key once, and go to the disk as they come;
// join makes them part of the database. A DB has one at a time. The first error stays in err and makes what follows empty.
type table struct {
	db     *DB
	writer *sstable.Writer // nil before the first row
	err    error
}

func (t *table) set(key, value []byte) {
	if t.begun() {
		t.err = t.writer.Set(key, value)
	}
}

func (t *table) delete(key []byte) {
	if t.begun() {
		t.err = t.writer.Delete(key)
	}
}

// begun creates the file for the first row. What an earlier failure has left under that name gives way.
func (t *table) begun() bool {
	if t.err != nil || t.writer != nil {
		return t.err == nil
	}
	o := t.db.options
	file, err := o.FS.Create(t.path(), vfs.WriteCategoryUnspecified)
	if err != nil {
		t.err = err
		return false
	}
	file = vfs.NewSyncingFile(file, vfs.SyncingFileOptions{BytesPerSync: o.BytesPerSync})
	w := o.MakeWriterOptions(0, t.db.pebble.TableFormat())
	w.DisableValueBlocks = true // as SpanPolicyFunc has it
	t.writer = sstable.NewWriter(objstorageprovider.NewFileWritable(file), w)
	return true
}

// join ends the table and makes its rows part of the database, all at once and durably. A table without rows is none. It must be called,
// whatever came before: a writer that is not closed goes on for ever.
func (t *table) join() error {
	if t.writer == nil {
		return t.err
	}
	if err := t.writer.Close(); t.err == nil {
		t.err = err
	}
	if t.err == nil {
		//nolint:forbidigo // A run is not given up half-way.
		t.err = t.db.pebble.Ingest(context.Background(), []string{t.path()})
	}
	return t.err
}

func (t *table) path() string { return t.db.options.FS.PathJoin(t.db.dir, unjoined) }
