//go:build !linux && !darwin && !freebsd

package engine

import (
	"errors"
	"fmt"
)

// MeasureVolume measures the file system that holds dir.
func MeasureVolume(dir string) (Volume, error) {
	return Volume{}, fmt.Errorf("measuring the volume of %s: %w: set Config.StoreBytesMax", dir, errors.ErrUnsupported)
}
