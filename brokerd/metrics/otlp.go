package metrics

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"go.opentelemetry.io/otel/exporters/otlp/otlpmetric/otlpmetrichttp"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
)

// ErrProtocol means that the environment asks for a protocol that is not spoken.
var ErrProtocol = errors.New("OTLP is spoken over HTTP with protobuf alone")

// ProtocolError names the variable. It is an ErrProtocol.
type ProtocolError struct{ Variable, Value string }

func (e *ProtocolError) Error() string {
	return fmt.Sprintf("%s=%s: %v: set it to http/protobuf, or leave it out", e.Variable, e.Value, ErrProtocol)
}

// Is makes errors.Is(err, ErrProtocol) true.
func (e *ProtocolError) Is(target error) bool { return target == ErrProtocol }

// asked says whether the environment asks for OTLP for a signal, METRICS or TRACES.
func asked(env func(string) string, signal string) (bool, error) {
	own, all := "OTEL_EXPORTER_OTLP_"+signal+"_", "OTEL_EXPORTER_OTLP_"
	exporter := env("OTEL_" + signal + "_EXPORTER")
	switch {
	case strings.EqualFold(env("OTEL_SDK_DISABLED"), "true"),
		exporter != "" && exporter != "otlp",
		env(own+"ENDPOINT") == "" && env(all+"ENDPOINT") == "":
		return false, nil
	}
	for _, variable := range []string{own + "PROTOCOL", all + "PROTOCOL"} {
		switch value := env(variable); value {
		case "":
			continue
		case "http/protobuf":
			return true, nil
		default:
			return false, &ProtocolError{Variable: variable, Value: value}
		}
	}
	return true, nil
}

// pushedMetrics is nil unless the environment asks for it. The exporter reads the rest of the environment itself.
func pushedMetrics(ctx context.Context, env func(string) string) (sdkmetric.Reader, error) {
	if ok, err := asked(env, "METRICS"); !ok {
		return nil, err
	}
	exporter, err := otlpmetrichttp.New(ctx)
	if err != nil {
		return nil, fmt.Errorf("OTLP: %w", err)
	}
	return sdkmetric.NewPeriodicReader(exporter), nil
}

// pushedTraces is nil unless the environment asks for it.
func pushedTraces(ctx context.Context, env func(string) string) (sdktrace.SpanExporter, error) {
	if ok, err := asked(env, "TRACES"); !ok {
		return nil, err
	}
	exporter, err := otlptracehttp.New(ctx)
	if err != nil {
		return nil, fmt.Errorf("OTLP: %w", err)
	}
	return exporter, nil
}
