package engine

import (
	"fmt"

	"github.com/nats-io/nats-server/v2/server"
)

// Usage is the room that the engine takes and has.
type Usage struct {
	Volume   Volume
	Store    int64            // bytes of all streams
	StoreMax int64            // what they may take
	Streams  map[string]int64 // bytes of each
}

// Usage measures.
func (e *Engine) Usage() (Usage, error) {
	u := Usage{StoreMax: e.cfg.StoreBytesMax, Streams: map[string]int64{}}
	if err := e.Health(); err != nil {
		return u, err
	}
	var err error
	if u.Volume, err = MeasureVolume(e.cfg.Dir); err != nil {
		return u, err
	}
	u.Store = int64(e.account.JetStreamUsage().Store)
	info, err := e.server.Jsz(&server.JSzOptions{Account: logAccount, Streams: true})
	if err != nil {
		return u, fmt.Errorf("asking the engine for its streams: %w", err)
	}
	for _, a := range info.AccountDetails {
		for i := range a.Streams {
			u.Streams[a.Streams[i].Name] = int64(a.Streams[i].State.Bytes)
		}
	}
	return u, nil
}
