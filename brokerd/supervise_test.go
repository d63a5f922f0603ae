package main

import (
	"context"
	"errors"
	"os"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

func TestSupervise(t *testing.T) {
	errWork := errors.New("work")
	returns := func(err error) func(context.Context) error {
		return func(context.Context) error { return err }
	}
	stops := func(after time.Duration, err error) func(context.Context) error {
		return func(ctx context.Context) error {
			<-ctx.Done()
			<-time.After(after)
			return err
		}
	}
	tests := map[string]struct {
		work    func(context.Context) error
		signals []time.Duration // when they arrive
		want    error
		took    time.Duration
	}{
		"work ends by itself":          {work: returns(nil)},
		"work fails by itself":         {work: returns(errWork), want: errWork},
		"signal, clean stop":           {work: stops(3*time.Second, nil), signals: []time.Duration{time.Minute}, took: time.Minute + 3*time.Second},
		"signal, stop fails":           {work: stops(0, errWork), signals: []time.Duration{time.Minute}, want: errWork, took: time.Minute},
		"second signal":                {work: stops(3*time.Second, nil), signals: []time.Duration{0, time.Second}, want: &abandonedError{signal: syscall.SIGTERM}, took: time.Second},
		"stop takes too long":          {work: stops(time.Minute, nil), signals: []time.Duration{0}, want: &abandonedError{}, took: stopTimeout},
		"second signal after the stop": {work: stops(0, nil), signals: []time.Duration{0, time.Second}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				signals := make(chan os.Signal, 2)
				for _, at := range test.signals {
					time.AfterFunc(at, func() { signals <- syscall.SIGTERM })
				}
				began := time.Now()
				err := supervise(t.Context(), signals, test.work)
				if took := time.Since(began); took != test.took {
					t.Errorf("supervise took %s, want %s", took, test.took)
				}
				got, want := new(abandonedError), new(abandonedError)
				switch {
				case errors.As(test.want, &want):
					if !errors.As(err, &got) || *got != *want {
						t.Errorf("supervise: %v, want %v", err, test.want)
					}
				case !errors.Is(err, test.want):
					t.Errorf("supervise: %v, want %v", err, test.want)
				}
				<-time.After(2 * time.Minute) // abandoned work ends too
			})
		})
	}
}

func TestSuperviseEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		err := supervise(ctx, nil, func(ctx context.Context) error {
			<-ctx.Done()
			return nil
		})
		if err != nil {
			t.Errorf("supervise: %v", err)
		}
	})
}
