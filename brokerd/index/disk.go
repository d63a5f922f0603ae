package index

import (
	"errors"
	"io/fs"
	"os"
	"strings"
	"sync/atomic"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// disk is the file system under an index. From the first change that fails on, it changes nothing: the directory stays as if the process had been
// killed at that moment, which is a state that Open can deal with.
//
// Pebble bears a table that cannot be written. It does not bear that for its manifest, its markers or the directory: its state in RAM is
// not undone then, and it ends the process. So it is never told; the DB is, by failed, and stops Pebble.
type disk struct {
	vfs.FS
	failed func(error)
	cause  atomic.Pointer[error] // not nil: frozen
}

func vital(name string) bool {
	return strings.HasPrefix(name, "MANIFEST-") || strings.HasPrefix(name, "marker.")
}

// change does what alters the directory, unless the disk is frozen. That a file is missing or there already is an answer, not a failure.
func (k *disk) change(do func() error) error {
	if cause := k.cause.Load(); cause != nil {
		return *cause
	}
	err := do()
	if err == nil || errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrExist) {
		return err
	}
	if k.cause.CompareAndSwap(nil, &err) {
		k.failed(err)
	}
	return err
}

// open opens a file for writing. On a frozen disk a vital file is one that takes everything and keeps nothing.
func (k *disk) open(name string, open func() (vfs.File, error)) (f vfs.File, err error) {
	vital := vital(k.PathBase(name))
	err = k.change(func() error {
		f, err = open()
		return err
	})
	if err != nil && vital && k.cause.Load() != nil {
		f, err = vfs.NewMemFile(nil), nil
	}
	if err != nil {
		return nil, err
	}
	return &diskFile{File: f, disk: k, vital: vital}, nil
}

func (k *disk) Create(name string, category vfs.DiskWriteCategory) (vfs.File, error) {
	return k.open(name, func() (vfs.File, error) { return k.FS.Create(name, category) })
}

func (k *disk) OpenReadWrite(name string, category vfs.DiskWriteCategory, opts ...vfs.OpenOption) (vfs.File, error) {
	return k.open(name, func() (vfs.File, error) { return k.FS.OpenReadWrite(name, category, opts...) })
}

func (k *disk) ReuseForWrite(from, to string, category vfs.DiskWriteCategory) (vfs.File, error) {
	return k.open(to, func() (vfs.File, error) { return k.FS.ReuseForWrite(from, to, category) })
}

func (k *disk) OpenDir(name string) (vfs.File, error) {
	f, err := k.FS.OpenDir(name)
	if err != nil {
		return nil, err
	}
	return &diskFile{File: f, disk: k, vital: true}, nil
}

func (k *disk) Link(from, to string) error {
	return k.change(func() error { return k.FS.Link(from, to) })
}

func (k *disk) Rename(from, to string) error {
	return k.change(func() error { return k.FS.Rename(from, to) })
}

func (k *disk) Remove(name string) error {
	return k.change(func() error { return k.FS.Remove(name) })
}

func (k *disk) RemoveAll(name string) error {
	return k.change(func() error { return k.FS.RemoveAll(name) })
}

func (k *disk) MkdirAll(dir string, perm os.FileMode) error {
	return k.change(func() error { return k.FS.MkdirAll(dir, perm) })
}

func (k *disk) Unwrap() vfs.FS { return k.FS }

type diskFile struct {
	vfs.File
	disk  *disk
	vital bool
}

// change is disk.change, of which the user of a vital file learns nothing.
func (f *diskFile) change(do func() error) error {
	err := f.disk.change(do)
	if f.vital {
		return nil
	}
	return err
}

func (f *diskFile) Write(p []byte) (n int, err error) {
	err = f.change(func() error {
		n, err = f.File.Write(p)
		return err
	})
	if err == nil {
		n = len(p)
	}
	return n, err
}

func (f *diskFile) WriteAt(p []byte, at int64) (n int, err error) {
	err = f.change(func() error {
		n, err = f.File.WriteAt(p, at)
		return err
	})
	if err == nil {
		n = len(p)
	}
	return n, err
}

func (f *diskFile) Preallocate(offset, length int64) error {
	return f.change(func() error { return f.File.Preallocate(offset, length) })
}

func (f *diskFile) Sync() error { return f.change(f.File.Sync) }

func (f *diskFile) SyncData() error { return f.change(f.File.SyncData) }

func (f *diskFile) SyncTo(length int64) (full bool, err error) {
	err = f.change(func() error {
		full, err = f.File.SyncTo(length)
		return err
	})
	return full, err
}
