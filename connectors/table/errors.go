package table

import (
	"errors"

	"github.com/strandlog/strand/commitlog"
	"github.com/strandlog/strand/projections"
)

// classified marks errors of the moment.
func classified(err error) error {
	for _, passing := range []error{
		commitlog.ErrUnavailable, commitlog.ErrIndefinite, commitlog.ErrOverloaded, commitlog.ErrNotEnoughReplicas, commitlog.ErrNoStorage,
	} {
		if errors.Is(err, passing) {
			return &projections.TransientError{Err: err}
		}
	}
	return err
}

func isUnknown(err error) bool  { return errors.Is(err, commitlog.ErrUnknownTopic) }
func isExists(err error) bool   { return errors.Is(err, commitlog.ErrTopicExists) }
func isConflict(err error) bool { return errors.Is(err, commitlog.ErrConflict) }
