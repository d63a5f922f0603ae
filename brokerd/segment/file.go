package segment

import (
	"fmt"
	"os"
	"path/filepath"
	"sort"
	"strconv"
	"strings"
	"sync"
)

const fileSuffix = ".batches"

// file is one segment file. base and path never change; Log.mu guards the rest.
type file struct {
	base int64 // offset of the first record
	path string

	size   int64    // bytes of whole batches; grows only while the file is the last one
	synced int64    // bytes known to be on stable storage
	marks  marks    // nil while unknown: then scan finds them
	handle *os.File // nil while not open

	trimmed bool // taken out of the log: it is being removed

	scanning sync.Mutex // held while marks are searched for, so that this happens once; taken before Log.mu
}

func newFile(dir string, base int64) *file {
	return &file{base: base, path: filepath.Join(dir, fmt.Sprintf("%020d%s", base, fileSuffix))}
}

// listFiles finds the files of a directory, ascending by base offset and taken to be synced in full. Foreign names are left alone.
func listFiles(dir string) ([]*file, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	var files []*file
	for _, entry := range entries {
		digits, ok := strings.CutSuffix(entry.Name(), fileSuffix)
		base, err := strconv.ParseInt(digits, 10, 64)
		if !ok || err != nil {
			continue
		}
		f := newFile(dir, base)
		if filepath.Base(f.path) != entry.Name() {
			continue
		}
		info, err := entry.Info()
		if err != nil {
			return nil, err
		}
		f.size, f.synced = info.Size(), info.Size()
		files = append(files, f)
	}
	sort.Slice(files, func(i, j int) bool { return files[i].base < files[j].base })
	return files, nil
}
