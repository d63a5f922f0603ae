package broker

import "github.com/strandlog/strand/brokerd/engine"

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
