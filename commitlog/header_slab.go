package commitlog

import (
	"slices"

	"github.com/strandlog/strand/internal/recordbatch"
	"github.com/strandlog/strand/internal/wire"
)

// headerSlab gives the records of one batch their headers out of few large slices.
type headerSlab struct {
	expected int // records that are still to come
	free     []Header
}

// headerSlabMax bounds what is allocated ahead of need.
const headerSlabMax = 4096

func (s *headerSlab) headers(h recordbatch.Headers) []Header {
	n := h.Len()
	if n == 0 {
		return nil
	}
	if len(s.free) < n {
		s.free = make([]Header, max(n, min(n*s.expected, headerSlabMax)))
	}
	s.expected--
	headers := s.free[:0:n]
	for key, value := range h.All() {
		if string(key) != wire.HeaderProducer { // it is the sequencer's own, and of no use to a reader
			headers = append(headers, Header{Key: headerKey(key), Value: value})
		}
	}
	s.free = s.free[len(headers):]
	return slices.Clip(headers)
}

// headerKey is the key as a string, without allocating for those that are on most records.
func headerKey(key []byte) string {
	switch string(key) {
	case wire.HeaderID:
		return wire.HeaderID
	case wire.HeaderVersion:
		return wire.HeaderVersion
	case wire.HeaderType:
		return wire.HeaderType
	case wire.HeaderContentType:
		return wire.HeaderContentType
	case wire.HeaderCommandID:
		return wire.HeaderCommandID
	case wire.HeaderCorrelationID:
		return wire.HeaderCorrelationID
	case wire.HeaderCausationID:
		return wire.HeaderCausationID
	case wire.HeaderTraceparent:
		return wire.HeaderTraceparent
	case wire.HeaderTracestate:
		return wire.HeaderTracestate
	case wire.HeaderTenant:
		return wire.HeaderTenant
	case wire.HeaderActor:
		return wire.HeaderActor
	case wire.HeaderTag:
		return wire.HeaderTag
	}
	return string(key)
}
