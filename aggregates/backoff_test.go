package aggregates

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

func TestPauseIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for n := range 200 {
			start := time.Now()
			if err := pause(t.Context(), n); err != nil {
				t.Fatal(err)
			}
			if took := time.Since(start); took >= pauseMax || n == 0 && took >= pauseMin {
				t.Errorf("pause %d took %v", n, took)
			}
		}
	})
}

func TestPauseEndsWithTheContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		for range 100 { // a pause may be so short that it is over first
			if err := pause(ctx, 100); err != nil {
				if !errors.Is(err, context.Canceled) {
					t.Error(err)
				}
				return
			}
		}
		t.Error("no pause ended with its context")
	})
}
