package table

import (
	"errors"

	"github.com/strandlog/strand/commitlog"
	"github.com/strandlog/strand/projections"
)

// classified marks errors of the moment, and those of what is too large.
func classified(err error) error {
	for _, passing := range []error{
		commitlog.ErrUnavailable, commitlog.ErrIndefinite, commitlog.ErrOverloaded, commitlog.ErrNotEnoughReplicas, commitlog.ErrNoStorage,
	} {
		if errors.Is(err, passing) {
			return &projections.TransientError{Err: err}
		}
	}
	if errors.Is(err, commitlog.ErrAppendTooLarge) { // fewer events may fit, or it is one that never does
		return &projections.DataError{Err: err}
	}
	return err
}

func isUnknown(err error) bool  { return errors.Is(err, commitlog.ErrUnknownTopic) }
func isExists(err error) bool   { return errors.Is(err, commitlog.ErrTopicExists) }
func isConflict(err error) bool { return errors.Is(err, commitlog.ErrConflict) }
