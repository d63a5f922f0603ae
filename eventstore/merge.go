package eventstore

import "iter"

// merge is the events of several partitions, by record time and, within one instant, by partition. Each partition's own events keep
// their order, because its record time never runs backwards.
type merge struct {
	parts []*part
	heads heads // nil until the first event is asked for
	last  *part // the part whose head was handed out
}

// part is one partition of a merge.
type part struct {
	pull func() (Event, error, bool)
	stop func()
	head Event
}

func (m *merge) add(events iter.Seq2[Event, error]) {
	p := &part{}
	p.pull, p.stop = iter.Pull2(events)
	m.parts = append(m.parts, p)
}

// stop releases what all parts hold.
func (m *merge) stop() {
	for _, p := range m.parts {
		p.stop()
	}
}

// next returns the next event, or false behind the last one.
func (m *merge) next() (Event, bool, error) {
	switch {
	case m.heads == nil:
		if err := m.begin(); err != nil {
			return Event{}, false, err
		}
	case m.last != nil:
		ok, err := m.last.advance()
		if err != nil {
			return Event{}, false, err
		}
		if !ok {
			m.heads = m.heads.drop()
		}
		m.heads.sift(0)
	}
	m.last = nil
	if len(m.heads) == 0 {
		return Event{}, false, nil
	}
	m.last = m.heads[0]
	return m.last.head, true, nil
}

// begin fetches the first event of each part.
func (m *merge) begin() error {
	m.heads = make(heads, 0, len(m.parts))
	for _, p := range m.parts {
		ok, err := p.advance()
		if err != nil {
			return err
		}
		if ok {
			m.heads = append(m.heads, p)
		}
	}
	for i := len(m.heads)/2 - 1; i >= 0; i-- {
		m.heads.sift(i)
	}
	return nil
}

// advance fetches the part's next event, and says whether there is one.
func (p *part) advance() (bool, error) {
	e, err, ok := p.pull()
	p.head = e
	return ok && err == nil, err
}

// heads is a binary heap of parts: none comes after those at 2i+1 and 2i+2 below it.
type heads []*part

// sift moves the part at i down to where it belongs.
func (h heads) sift(i int) {
	for {
		first := i
		for _, below := range [...]int{2*i + 1, 2*i + 2} {
			if below < len(h) && h[below].before(h[first]) {
				first = below
			}
		}
		if first == i {
			return
		}
		h[i], h[first] = h[first], h[i]
		i = first
	}
}

// drop takes the first part out. The one that comes in its place has yet to be sifted.
func (h heads) drop() heads {
	last := len(h) - 1
	h[0] = h[last]
	return h[:last]
}

func (p *part) before(q *part) bool {
	if !p.head.Time.Equal(q.head.Time) {
		return p.head.Time.Before(q.head.Time)
	}
	return p.head.Position.Partition < q.head.Position.Partition
}
