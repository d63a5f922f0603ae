package broker

import (
	"cmp"

	"github.com/strandlog/strand/brokerd/engine"
)

// Room is how many bytes are free where a directory is, and with how few left a node refuses appends: as Config.FreeBytesMin says, 0 for the default.
func Room(dir string, freeBytesMin int64) (free, freeMin int64, err error) {
	m, err := engine.MeasureVolume(dir)
	return m.Free, cmp.Or(freeBytesMin, m.FreeBytesMin()), err
}

// volume is the file system that holds a directory, which may be another one than the engine's.
type volume struct {
	dir     string
	freeMin int64 // 0: the default
}

// short is a *engine.SpaceError while less is free than must be, and another error when that cannot be known.
func (v volume) short() error {
	m, err := engine.MeasureVolume(v.dir)
	if err != nil {
		return err
	}
	if v.freeMin == 0 {
		v.freeMin = m.FreeBytesMin()
	}
	if m.Free < v.freeMin {
		return &engine.SpaceError{Dir: v.dir, Free: m.Free, FreeMin: v.freeMin}
	}
	return nil
}
