package table

import (
	"encoding/json"
	"fmt"

	"github.com/strandlog/strand/commitlog"
	"github.com/strandlog/strand/projections"
)

// view is what the records of a topic say of checkpoints.
type view struct {
	about projection
	at    map[int32]checkpoint // as they are stored
}

// take takes in one record.
func (v *view) take(r *commitlog.Record) (err error) {
	switch partition, isCheckpoint := partitionOf(r.Key); {
	case string(r.Key) == projectionKey:
		v.about = projection{}
		err = json.Unmarshal(r.Value, &v.about)
	case isCheckpoint:
		var at checkpoint
		err = json.Unmarshal(r.Value, &at)
		v.at[partition] = at
	}
	if err != nil {
		return fmt.Errorf("table: offset %d: %w", r.Offset, err)
	}
	return nil
}

func (v *view) checkpoints() projections.Checkpoints {
	now := projections.Checkpoints{Source: v.about.source(), Paused: v.about.Paused, Partitions: make(map[int32]projections.Checkpoint, len(v.at))}
	for partition, at := range v.at {
		at = v.about.counting(at)
		now.Partitions[partition] = projections.Checkpoint{Mark: at.mark(), Epoch: at.Epoch}
	}
	return now
}
