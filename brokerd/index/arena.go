package index

import "sync/atomic"

// arena holds names back to back, each behind a byte that says its length. One goroutine adds; others read the names
// whose refs they learned from it.
type arena struct {
	list atomic.Pointer[[]*[arenaChunk]byte]
	used int // bytes of the newest chunk; the writer's
}

// nameRef is where a name lies: chunk and byte within it.
type nameRef uint32

const (
	arenaChunk   = 64 << 10
	nameBytesMax = 255 // so that one byte holds a length; stream names, command ids, types and tags are no longer
)

func (a *arena) add(name string) nameRef {
	var list []*[arenaChunk]byte
	if p := a.list.Load(); p != nil {
		list = *p
	}
	if len(list) == 0 || a.used+1+len(name) > arenaChunk {
		list = publish(&a.list, list, new([arenaChunk]byte))
		a.used = 0
	}
	at := a.used
	chunk := list[len(list)-1]
	chunk[at] = byte(len(name))
	copy(chunk[at+1:], name)
	a.used += 1 + len(name)
	return nameRef((len(list)-1)*arenaChunk + at)
}

// bytesOf returns a name in place; it must not be changed.
func (a *arena) bytesOf(ref nameRef) []byte {
	chunk, at := (*a.list.Load())[ref/arenaChunk], int(ref%arenaChunk)
	return chunk[at+1 : at+1+int(chunk[at])]
}

func (a *arena) is(ref nameRef, name string) bool { return string(a.bytesOf(ref)) == name }

func (a *arena) bytes() int {
	p := a.list.Load()
	if p == nil {
		return 0
	}
	return len(*p) * arenaChunk
}
