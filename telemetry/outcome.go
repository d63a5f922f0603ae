package telemetry

import (
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
)

// outcome is what labels a measurement: what was worked on, and the class of the error that it ended with, if any.
type outcome struct {
	on    string // topic, category or projection
	part  string // partition, or version of the projection
	class string // of the error
}

// labels are a measurement's attributes in the forms in which instruments take them.
type labels struct {
	add     []metric.AddOption
	record  []metric.RecordOption
	observe []metric.ObserveOption
}

func newLabels(attributes ...attribute.KeyValue) labels {
	set := metric.WithAttributeSet(attribute.NewSet(attributes...))
	return labels{[]metric.AddOption{set}, []metric.RecordOption{set}, []metric.ObserveOption{set}}
}

// outcomes hold the labels of everything that is measured.
type outcomes struct {
	send, fetch, append, load, handle, batch *prebuilt[outcome, labels]
}

func newOutcomes(system string) outcomes {
	kind := func(attributes func(outcome) []attribute.KeyValue) *prebuilt[outcome, labels] {
		return &prebuilt[outcome, labels]{other: outcome{on: "other", part: "other"}, build: func(o outcome) labels {
			all := attributes(o)
			if o.class != "" {
				all = append(all, attribute.String("error.type", o.class))
			}
			return newLabels(all...)
		}}
	}
	messaging := func(name, typ string) *prebuilt[outcome, labels] {
		return kind(func(o outcome) []attribute.KeyValue {
			all := []attribute.KeyValue{
				attribute.String("messaging.system", system),
				attribute.String("messaging.operation.name", name),
				attribute.String("messaging.operation.type", typ),
				attribute.String("messaging.destination.name", o.on),
			}
			if o.part != "" {
				all = append(all, attribute.String("messaging.destination.partition.id", o.part))
			}
			return all
		})
	}
	category := func() *prebuilt[outcome, labels] {
		return kind(func(o outcome) []attribute.KeyValue { return []attribute.KeyValue{attribute.String("category", o.on)} })
	}
	return outcomes{
		send:   messaging("send", "send"),
		fetch:  messaging("poll", "receive"),
		append: category(), load: category(), handle: category(),
		batch: kind(func(o outcome) []attribute.KeyValue {
			return []attribute.KeyValue{attribute.String("projection", o.on), attribute.String("version", o.part)}
		}),
	}
}
