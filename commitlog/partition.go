package commitlog

import (
	"context"
	"errors"
	"iter"
	"sync"
)

// Partition is a partition that a member of a group was given by [Join].
//
// Pause, Resume and SeekTo may be called from any goroutine.
type Partition[T any] struct {
	*Assignment

	client *Client
	decode func(*Record) (T, error)

	mu     sync.Mutex
	next   int64         // of the record that comes next
	sought bool          // next was set by SeekTo, and the reader does not know it yet
	paused bool          // nothing is given until Resume
	moved  chan struct{} // closed, and made anew, when one of them has changed
}

// begin finds the first record of a partition of which nothing was committed. An end that was chosen is committed: it must not be another one when the
// partition moves.
func (p *Partition[T]) begin(ctx context.Context, from func(context.Context, *Client, Topic, int32) (int64, error)) error {
	if p.next = Earliest; from == nil {
		return nil
	}
	next, err := from(ctx, p.client, p.Topic, p.Partition)
	if err == nil {
		p.next = next
		p.Processed(next, 0)
	}
	return err
}

// Records yields the records of the partition, from where the group is, and waits for those that are yet to come. It ends without an error when ctx does.
// Asking for the next record says that the one before has been processed; a loop that is left has not processed its last record.
//
// Errors: those of a live [Client.Records], and ErrDecode, after which the next call begins with the same record.
func (p *Partition[T]) Records(ctx context.Context) iter.Seq2[Received[T], error] {
	return func(yield func(Received[T], error) bool) {
		for r, err := range p.received(ctx) {
			if !yield(r, err) || err != nil {
				return
			}
			p.Processed(r.Offset+1, r.Epoch)
		}
	}
}

// received is Records without a word on what has been processed.
func (p *Partition[T]) received(ctx context.Context) iter.Seq2[Received[T], error] {
	return func(yield func(Received[T], error) bool) {
		for ctx.Err() == nil {
			more, err := p.read(ctx, yield)
			if err != nil && ctx.Err() == nil {
				yield(Received[T]{}, err)
				return
			}
			if !more {
				return
			}
		}
	}
}

// errSought ends a reader whose partition goes on elsewhere.
var errSought = errors.New("commitlog: the partition goes on elsewhere")

// read reads until SeekTo calls for another place (more), yield has had enough, or an error.
func (p *Partition[T]) read(ctx context.Context, yield func(Received[T], error) bool) (more bool, err error) {
	reading, end := context.WithCancelCause(ctx)
	defer end(nil)
	from, moved := p.start()
	watched := make(chan struct{})
	go func() {
		defer close(watched)
		for {
			select {
			case <-moved:
			case <-reading.Done():
				return
			}
			p.mu.Lock()
			sought := p.sought
			moved = p.moved
			p.mu.Unlock()
			if sought {
				end(errSought)
				return
			}
		}
	}()
	defer func() {
		end(nil)
		<-watched
	}()
	for r, err := range p.client.Records(reading, p.Topic, p.Partition, Range{From: from, Live: true}) {
		if err != nil {
			if errors.Is(context.Cause(reading), errSought) {
				return true, nil
			}
			return false, err
		}
		again, err := p.admit(ctx, &r)
		if err != nil || again {
			return again, err
		}
		got := Received[T]{Record: r}
		if got.Data, err = p.decode(&r); err != nil {
			p.SeekTo(r.Offset)
			return false, &DecodeError{Topic: p.Topic.Name, Partition: r.Partition, Offset: r.Offset, Cause: err}
		}
		if !yield(got, nil) {
			p.rewind(r.Offset)
			return false, nil
		}
		if ctx.Err() != nil {
			return false, nil
		}
	}
	return false, nil
}

// start is where a reader begins.
func (p *Partition[T]) start() (from int64, moved <-chan struct{}) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.sought = false
	return p.next, p.moved
}

// admit waits while the partition is paused, and says again when it goes on elsewhere than with this record.
func (p *Partition[T]) admit(ctx context.Context, r *Record) (again bool, err error) {
	for {
		p.mu.Lock()
		if p.sought {
			p.mu.Unlock()
			return true, nil
		}
		if !p.paused {
			p.next = r.Offset + 1
			p.mu.Unlock()
			return false, nil
		}
		moved := p.moved
		p.mu.Unlock()
		select {
		case <-moved:
		case <-ctx.Done():
			return false, ctx.Err()
		}
	}
}

// rewind has the next reader begin with a record that was not processed, unless SeekTo was called meanwhile.
func (p *Partition[T]) rewind(offset int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.sought {
		p.next = offset
	}
}

// Pause has Records wait before its next record. The partition stays with the member.
func (p *Partition[T]) Pause() { p.change(func() { p.paused = true }) }

// Resume ends what Pause began.
func (p *Partition[T]) Resume() { p.change(func() { p.paused = false }) }

// SeekTo has the next record that Records yields be the one at an offset, or at Earliest. What the group has committed does not go back: a
// member that the partition moves to goes on there. Use [Client.ResetOffsets] to have a group begin anew.
func (p *Partition[T]) SeekTo(offset int64) { p.change(func() { p.next, p.sought = offset, true }) }

func (p *Partition[T]) change(fn func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	fn()
	close(p.moved)
	p.moved = make(chan struct{})
}
