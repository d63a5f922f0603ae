//go:build linux || darwin || freebsd

package engine

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// MeasureVolume measures the file system that holds dir.
func MeasureVolume(dir string) (Volume, error) {
	var fs unix.Statfs_t
	if err := unix.Statfs(dir, &fs); err != nil {
		return Volume{}, fmt.Errorf("measuring the volume of %s: %w", dir, err)
	}
	block := int64(fs.Bsize) //nolint:unconvert // its type differs between platforms
	return Volume{Total: int64(fs.Blocks) * block, Free: int64(fs.Bavail) * block}, nil
}
