package shard

import (
	"maps"
	"slices"
)

// modelIndex is what of a node's state is on its disk: the producers' rows, and the place in the log at which they were written, with a copy of what else
// was known there. Rows may be newer than their place, never older.
type modelIndex[M interface{ clone() M }] struct {
	rows      map[uint64][]byte // nil: nothing was written yet
	forgotten uint64
	state     State
	mem       M

	marked      bool // where the next run ends, if the log goes on before that
	markedState State
	markedMem   M
}

// mark fixes where the next run ends.
func (x *modelIndex[M]) mark(core *Core, mem M) {
	x.marked, x.markedState, x.markedMem = true, core.State().Clone(), mem.clone()
}

// run writes what has changed.
func (x *modelIndex[M]) run(core *Core, mem M) {
	if !x.marked {
		x.mark(core, mem)
	}
	rows, forgotten := core.producers.changed(x.markedState.Time, x.markedState.Epoch)
	if x.rows = maps.Clone(x.rows); x.rows == nil {
		x.rows = map[uint64][]byte{}
	}
	for id, row := range rows {
		if x.rows[id] = slices.Clone(row); row == nil {
			delete(x.rows, id)
		}
	}
	x.forgotten, x.state, x.mem, x.marked = forgotten, x.markedState, x.markedMem, false
}

// producers is the table that a restart begins with.
func (x *modelIndex[M]) producers() (*producers, error) {
	p := newProducers()
	return p, p.load(maps.All(x.rows), x.forgotten)
}
