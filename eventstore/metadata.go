package eventstore

import (
	"context"
	"maps"
	"slices"
	"strings"

	"github.com/strandlog/strand/commitlog"
	"github.com/strandlog/strand/internal/wire"
)

// Metadata surrounds an event: why it happened and on whose behalf. It is stored in the record's headers. What is empty is not stored.
type Metadata struct {
	CommandID     string
	CorrelationID string
	CausationID   string
	Traceparent   string
	Tracestate    string // belongs to Traceparent, and is replaced with it
	Tenant        string
	Actor         string
	Tags          []string          // what queries find the event by; sorted, each once, up to 64 of up to 255 bytes
	User          map[string]string // the application's own
}

// Tagged is an event that knows its tags. They are stored with it, beside those of its metadata, and are part of the log for ever: what the
// method returns later has no effect on them.
type Tagged interface{ Tags() []string }

type metadataKey struct{}

// WithMetadata gives what is appended under ctx these metadata. Fields that are empty keep what an outer call has set; a command id is not
// taken from a context: it belongs to one append.
func WithMetadata(ctx context.Context, m Metadata) context.Context {
	m.CommandID = ""
	return context.WithValue(ctx, metadataKey{}, MetadataFrom(ctx).with(m))
}

// MetadataFrom returns what WithMetadata has put into ctx.
func MetadataFrom(ctx context.Context) Metadata {
	m, _ := ctx.Value(metadataKey{}).(Metadata)
	return m
}

// with lays n over m.
func (m Metadata) with(n Metadata) Metadata {
	over := func(a *string, b string) {
		if b != "" {
			*a = b
		}
	}
	over(&m.CommandID, n.CommandID)
	over(&m.CorrelationID, n.CorrelationID)
	over(&m.CausationID, n.CausationID)
	if n.Traceparent != "" {
		m.Traceparent, m.Tracestate = n.Traceparent, n.Tracestate
	}
	over(&m.Tenant, n.Tenant)
	over(&m.Actor, n.Actor)
	if len(n.Tags) > 0 {
		m.Tags = slices.Compact(slices.Sorted(slices.Values(slices.Concat(m.Tags, n.Tags))))
		m.Tags = slices.DeleteFunc(m.Tags, func(tag string) bool { return tag == "" })
	}
	if len(n.User) > 0 {
		user := maps.Clone(m.User)
		if user == nil {
			user = map[string]string{}
		}
		maps.Copy(user, n.User)
		m.User = user
	}
	return m
}

// userPrefix keeps the application's own keys apart from the framework's.
const userPrefix = "user."

// headers appends the metadata as record headers, in a fixed order. The command id is not among them: the log writes it.
func (m *Metadata) headers(h []commitlog.Header) []commitlog.Header {
	add := func(key, value string) {
		if value != "" {
			h = append(h, commitlog.Header{Key: key, Value: []byte(value)})
		}
	}
	add(wire.HeaderCorrelationID, m.CorrelationID)
	add(wire.HeaderCausationID, m.CausationID)
	add(wire.HeaderTraceparent, m.Traceparent)
	if m.Traceparent != "" {
		add(wire.HeaderTracestate, m.Tracestate)
	}
	add(wire.HeaderTenant, m.Tenant)
	add(wire.HeaderActor, m.Actor)
	for _, tag := range m.Tags {
		add(wire.HeaderTag, tag)
	}
	for _, key := range slices.Sorted(maps.Keys(m.User)) {
		h = append(h, commitlog.Header{Key: userPrefix + key, Value: []byte(m.User[key])})
	}
	return h
}

// read takes one header into the metadata.
func (m *Metadata) read(key string, value []byte) {
	switch key {
	case wire.HeaderCommandID:
		m.CommandID = string(value)
	case wire.HeaderCorrelationID:
		m.CorrelationID = string(value)
	case wire.HeaderCausationID:
		m.CausationID = string(value)
	case wire.HeaderTraceparent:
		m.Traceparent = string(value)
	case wire.HeaderTracestate:
		m.Tracestate = string(value)
	case wire.HeaderTenant:
		m.Tenant = string(value)
	case wire.HeaderActor:
		m.Actor = string(value)
	case wire.HeaderTag:
		m.Tags = append(m.Tags, string(value))
	default:
		if own, ok := strings.CutPrefix(key, userPrefix); ok {
			if m.User == nil {
				m.User = map[string]string{}
			}
			m.User[own] = string(value)
		}
	}
}
