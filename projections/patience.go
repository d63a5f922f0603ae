package projections

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"time"
)

// A sink that cannot commit for the moment is asked again after a pause, which grows.
const (
	pauseMin = 50 * time.Millisecond
	pauseMax = 5 * time.Second
)

// patiently repeats try while it ends with ErrTransient, until ctx ends: then it returns nil, because nothing is lost. A random part of the pause keeps
// workers that failed together from coming back together.
func patiently(ctx context.Context, logger *slog.Logger, try func() error, args ...any) error {
	for pause := pauseMin; ; pause = min(2*pause, pauseMax) {
		err := try()
		switch {
		case !errors.Is(err, ErrTransient) || errors.Is(err, ErrStopTimeout):
			return err
		case ctx.Err() != nil:
			return nil //nolint:nilerr // what failed is done by whoever comes next
		}
		logger.Warn("a sink cannot commit for the moment, trying again", append(args, "error", err, "after", pause)...)
		timer := time.NewTimer(pause/2 + rand.N(pause/2))
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return nil
		}
	}
}
