package engine

import (
	"strconv"

	"github.com/nats-io/nats.go"
)

// Publisher writes to one engine stream, each message fenced by the sequence that must come before it.
// It is used by one goroutine at a time.
type Publisher struct {
	nc     *nats.Conn
	msg    nats.Msg
	expect []string // the fence header's value, shared with msg.Header
}

// NewPublisher returns a publisher to an engine stream over nc, a connection of [Engine.LogConn] that it does not own.
func NewPublisher(nc *nats.Conn, stream string) *Publisher {
	expect := []string{""}
	return &Publisher{
		nc:     nc,
		expect: expect,
		msg:    nats.Msg{Subject: subjectOf(stream), Header: nats.Header{nats.ExpectedLastSeqHdr: expect}},
	}
}

// Publish sends data, to be stored as sequence expected+1, or refused. Nothing is awaited: the engine's verdict arrives on the
// subject reply and is read with [ParseAck]. Messages of one publisher arrive in the order of the calls. An error means that
// the message may or may not have been sent. data is not kept.
func (p *Publisher) Publish(expected uint64, data []byte, reply string) error {
	p.expect[0] = strconv.FormatUint(expected, 10)
	p.msg.Reply, p.msg.Data = reply, data
	err := p.nc.PublishMsg(&p.msg)
	p.msg.Data = nil
	return err
}
