package telemetry

import "go.opentelemetry.io/otel/propagation"

// w3c is the form in which events carry their trace.
var w3c propagation.TraceContext //nolint:gochecknoglobals // has no state

// traceHeaders are the two headers of W3C Trace Context.
type traceHeaders struct{ parent, state string }

// Get returns a header.
func (h *traceHeaders) Get(key string) string {
	switch key {
	case "traceparent":
		return h.parent
	case "tracestate":
		return h.state
	}
	return ""
}

// Set sets a header.
func (h *traceHeaders) Set(key, value string) {
	switch key {
	case "traceparent":
		h.parent = value
	case "tracestate":
		h.state = value
	}
}

// Keys lists the headers.
func (h *traceHeaders) Keys() []string { return []string{"traceparent", "tracestate"} }
