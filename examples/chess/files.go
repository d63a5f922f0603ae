package main

import (
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
)

//go:embed games/*.pgn
var ownFiles embed.FS

// Files are PGN files that are open.
type Files []fs.File

// openFiles opens the files with these names, and those of the example when there are none. Nothing is imported when one is missing.
func openFiles(names []string) (Files, error) {
	var files Files
	if len(names) == 0 {
		entries, err := ownFiles.ReadDir("games")
		if err != nil {
			return nil, err
		}
		for _, entry := range entries {
			f, err := ownFiles.Open(path.Join("games", entry.Name()))
			if err != nil {
				return nil, errors.Join(err, files.Close())
			}
			files = append(files, f)
		}
	}
	for _, name := range names {
		f, err := os.Open(name)
		if err != nil {
			return nil, errors.Join(err, files.Close())
		}
		files = append(files, f)
	}
	return files, nil
}

// Close closes all files.
func (f Files) Close() error {
	var err error
	for _, file := range f {
		err = errors.Join(err, file.Close())
	}
	return err
}

// Bytes is the size of all files; those of pipes are not known, and count as nothing.
func (f Files) Bytes() int64 {
	var sum int64
	for _, file := range f {
		if info, err := file.Stat(); err == nil {
			sum += info.Size()
		}
	}
	return sum
}

// name is the file's name as the user gave it.
func name(f fs.File) string {
	if file, ok := f.(*os.File); ok {
		return file.Name()
	}
	info, err := f.Stat()
	if err != nil {
		return fmt.Sprintf("a file without a name (%v)", err)
	}
	return path.Join("games", info.Name())
}
