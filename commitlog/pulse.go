package commitlog

import (
	"context"
	"errors"
	"time"

	"github.com/strandlog/strand/internal/wire"
)

// pulse sends a member's heartbeats, one at a time. Each is answered when there is something to tell, or after a while.
type pulse struct {
	member  *member
	answers chan pulsed // of the newest heartbeat; nil: there is none
	cancel  context.CancelFunc
}

// pulsed is what became of a heartbeat.
type pulsed struct {
	share *wire.GroupShare // nil: the member knows it
	err   error
}

// beat sends a heartbeat that says how things are now, instead of the one that waits.
func (p *pulse) beat(ctx context.Context) {
	p.stop()
	m := p.member
	request := &wire.GroupHeartbeat{
		Member: m.id, Instance: m.cfg.Instance, Epoch: m.share.Epoch, Released: m.released(),
		WaitMS: int32(min(m.session()/heartbeatsPerSession, wire.GroupWaitMax) / time.Millisecond),
	}
	answers := make(chan pulsed, 1)
	ctx, cancel := context.WithCancel(ctx)
	p.answers, p.cancel = answers, cancel
	go func() {
		r, err := m.client.askGroup(ctx, m.group, wire.GroupRequest{Heartbeat: request}, "sending a heartbeat to group "+m.group, 0)
		if ctx.Err() != nil && !errors.Is(err, ErrClosed) {
			return // nobody waits for it any more
		}
		answers <- pulsed{r.Share, err}
	}()
}

// heartbeatsPerSession is how many heartbeats a session has: one may be lost.
const heartbeatsPerSession = 3

// stop gives up the heartbeat that is under way.
func (p *pulse) stop() {
	if p.cancel != nil {
		p.cancel()
	}
	p.answers, p.cancel = nil, nil
}
