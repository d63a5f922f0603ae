package telemetry

import (
	"maps"
	"sync"
	"sync/atomic"
)

// prebuiltMax bounds the values that are kept for one kind of key, and with them the series of a metric.
const prebuiltMax = 1000

// prebuilt keeps what is made of a key, so that it is made once. Reads take no lock. When it is full, other stands for every further key.
type prebuilt[K comparable, V any] struct {
	build func(K) V
	other K

	all atomic.Pointer[map[K]V] // replaced as a whole
	mu  sync.Mutex              // guards replacing
}

func (p *prebuilt[K, V]) get(key K) V {
	if all := p.all.Load(); all != nil {
		if v, ok := (*all)[key]; ok {
			return v
		}
	}
	return p.add(key)
}

func (p *prebuilt[K, V]) add(key K) V {
	p.mu.Lock()
	defer p.mu.Unlock()
	var all map[K]V
	if now := p.all.Load(); now != nil {
		all = *now
	}
	if len(all) >= prebuiltMax {
		key = p.other
	}
	if v, ok := all[key]; ok {
		return v
	}
	next := maps.Clone(all)
	if next == nil {
		next = map[K]V{}
	}
	v := p.build(key)
	next[key] = v
	p.all.Store(&next)
	return v
}
