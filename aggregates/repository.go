package aggregates

import (
	"github.com/strandlog/strand/eventstore"
)

// RepositoryConfig adjusts a [Repository]. The zero value works.
type RepositoryConfig struct {
	// CacheEntriesMax bounds the number of cached states. Default 4096; negative: none.
	CacheEntriesMax int
	// RetriesMax bounds how often one Handle decides again after others were faster. Default 256; negative: never.
	RetriesMax int
	// Observer is told of every Handle. Default: nobody.
	Observer Observer
}

const (
	cacheEntriesDefault = 4096
	retriesDefault      = 256
)

// Repository loads the aggregates of one type, lets them decide, and appends what they decided. All its methods may be called by
// any number of goroutines. A program needs one for each type: commands for one key queue within a repository, and states are cached in it.
type Repository[S any] struct {
	store      *eventstore.Store
	typ        Type[S]
	retriesMax int
	observer   Observer  // nil: none
	clone      func(S) S // nil: states cannot be copied, so there is no cache
	cache      *cache[S]
	queue      queue
}

// NewRepository returns the repository of the aggregates of one type, which [eventstore.Open] must have been given.
// At most one config applies: the last.
func NewRepository[S any](store *eventstore.Store, typ Type[S], config ...RepositoryConfig) *Repository[S] {
	var cfg RepositoryConfig
	for _, c := range config {
		cfg = c
	}
	if cfg.CacheEntriesMax == 0 {
		cfg.CacheEntriesMax = cacheEntriesDefault
	}
	if cfg.RetriesMax == 0 {
		cfg.RetriesMax = retriesDefault
	}
	clone := cloner(typ.Clone)
	return &Repository[S]{
		store:      store,
		typ:        typ,
		retriesMax: cfg.RetriesMax,
		observer:   cfg.Observer,
		clone:      clone,
		cache:      newCache(cfg.CacheEntriesMax, clone),
	}
}
