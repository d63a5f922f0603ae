package aggregates

import (
	"context"
	"errors"
	"fmt"

	"github.com/strandlog/strand/eventstore"
)

// Handle loads the aggregate with this key, lets the command decide, and appends the events, all of them or none, on condition that
// nobody else has appended since. When somebody has, it decides again on what is new, after a short random pause and up to
// RetriesMax times.
//
// The Root is the aggregate after these events. When none follow, nothing is stored and the Root is the aggregate as it is. When Decide refuses, Handle returns that error as it is, with the Root that was
// refused; with any other error the Root is zero. Apart from refusals and what reading and appending return:
//
//   - [eventstore.ErrConflict] (*[eventstore.ConflictError]): IfVersion did not hold, or others were faster RetriesMax+1 times. Nothing is stored.
//   - [eventstore.ErrIndefinite] (*[eventstore.IndefiniteError]): the events may or may not be stored. Handling the command again
//     is safe only under the same [CommandID]; without one, look for the event ids that the error names.
//   - [eventstore.ErrNotRegistered] (*[eventstore.NotRegisteredError]): Decide returned a pointer, or an event that Type.Events does not name.
//   - [ErrInvalidEvent] (*[EventError]): Decide returned an event that its codec cannot read back. Like the one before, nothing is stored.
//   - [ErrGap] (*[GapError]): an event of the stream could not be read. Nothing is stored.
func (r *Repository[S]) Handle(ctx context.Context, key string, cmd Command[S], opts ...HandleOption) (Root[S], error) {
	h := handling[S]{Repository: r, key: key, stream: r.typ.Stream(key), cmd: cmd}
	for _, opt := range opts {
		opt(&h.options)
	}
	if r.observer == nil {
		return h.handle(ctx)
	}
	ctx, done := r.observer.HandleStart(ctx, HandleInfo{Category: r.typ.Name, Stream: h.stream, Command: cmd})
	root, err := h.handle(ctx)
	done(HandleResult{Events: len(root.Events), Retries: h.retries, Refused: h.refused, Err: err})
	return root, err
}

// handle runs when the commands before it have: those of one key queue.
func (h *handling[S]) handle(ctx context.Context) (Root[S], error) {
	leave, err := h.queue.enter(ctx, h.key)
	if err != nil {
		return Root[S]{}, h.wrap(fmt.Errorf("waiting for the commands before it: %w", err))
	}
	defer leave()
	h.known = h.cache.get(h.key)
	return h.run(ctx)
}

// handling is one call of Handle.
type handling[S any] struct {
	*Repository[S]
	key, stream string
	cmd         Command[S]
	options     handleOptions

	known   folded[S] // belongs to this handling: Decide is shown a clone of its state, where there are clones
	retries int       // after others were faster
	refused bool      // the error is Decide's

	final bool // known holds what the leader held after this handling began: a refusal decided on it is an answer
}

func (h *handling[S]) run(ctx context.Context) (Root[S], error) {
	if root, done, err := h.begin(ctx); done || err != nil {
		return root, h.wrap(err)
	}
	for {
		events, refusal := h.decide()
		if refusal != nil || len(events) == 0 {
			decidedAt := h.known.version
			if !h.final {
				if root, done, err := h.settle(ctx); done || err != nil {
					return root, h.wrap(err)
				}
			}
			if h.known.version == decidedAt {
				h.refused = refusal != nil
				return h.known.root(h.key, nil), refusal
			}
			continue
		}
		root, err := h.record(ctx, events)
		if err == nil || !errors.Is(err, eventstore.ErrConflict) || h.options.versioned {
			return root, h.wrap(err)
		}
		if h.retries >= h.retriesMax {
			h.cache.drop(h.key)
			return Root[S]{}, h.wrap(fmt.Errorf("giving up after %d retries: %w", h.retries, err))
		}
		if ended := pause(ctx, h.retries); ended != nil {
			return Root[S]{}, h.wrap(fmt.Errorf("%w, while others were faster: %w", ended, err))
		}
		h.retries++
		if root, done, err := h.settle(ctx); done || err != nil {
			return root, h.wrap(err)
		}
		if conflict, ok := errors.AsType[*eventstore.ConflictError](err); ok && h.known.version < conflict.Actual {
			return Root[S]{}, h.wrap(&GapError{Stream: h.stream, Version: h.known.version + 1, Next: conflict.Actual})
		}
	}
}

// begin makes known something to decide on. It is done when the command was handled before.
func (h *handling[S]) begin(ctx context.Context) (root Root[S], done bool, err error) {
	if root, done, err = h.recall(ctx, false); done || err != nil {
		return root, done, err
	}
	if h.known.version == 0 {
		if err = h.catchUp(ctx, h.stream, &h.known, false); err != nil {
			return Root[S]{}, false, err
		}
	}
	if h.options.versioned && h.known.version != h.options.version {
		return h.settle(ctx) // the conflict is not an answer either before the leader was asked
	}
	return Root[S]{}, false, nil
}

// settle makes known final. It is done when the command was handled before, and fails when IfVersion does not hold.
//
// The command id is looked up after the events were read: a handling of the same command that comes in between is then found,
// and is not mistaken for somebody else's.
func (h *handling[S]) settle(ctx context.Context) (root Root[S], done bool, err error) {
	if err = h.refresh(ctx); err != nil {
		return Root[S]{}, false, err
	}
	h.final = true
	if root, done, err = h.recall(ctx, true); done || err != nil {
		return root, done, err
	}
	if h.options.versioned && h.known.version != h.options.version {
		return Root[S]{}, false, h.conflict(ctx)
	}
	return Root[S]{}, false, nil
}

// conflict is the answer when IfVersion does not hold.
func (h *handling[S]) conflict(ctx context.Context) error {
	if h.options.version < 0 {
		return &VersionError{Stream: h.stream, Version: h.options.version, End: h.known.version}
	}
	topic, err := h.store.Topic(ctx)
	if err != nil {
		return fmt.Errorf("naming the topic of a conflict: %w", err)
	}
	return &eventstore.ConflictError{
		Topic:    topic.Name,
		Stream:   h.stream,
		Expected: eventstore.Expected(h.options.version),
		Actual:   h.known.version,
	}
}

// refresh brings known to what the leader holds.
func (h *handling[S]) refresh(ctx context.Context) error {
	before := h.known.version
	if h.clone == nil {
		h.known = folded[S]{} // Decide has had this very state in its hands
	}
	if err := h.catchUp(ctx, h.stream, &h.known, true); err != nil {
		return err
	}
	if h.known.version > before {
		h.cache.put(h.key, h.known)
	}
	return nil
}

// recall looks for an earlier handling of the command, and is done when there was one.
func (h *handling[S]) recall(ctx context.Context, strict bool) (root Root[S], done bool, err error) {
	if h.options.commandID == "" {
		return Root[S]{}, false, nil
	}
	opts := []eventstore.StreamOption{eventstore.ByCommand(h.options.commandID)}
	if strict {
		opts = append(opts, eventstore.Strict())
	}
	var handled []eventstore.Event
	for e, err := range h.store.Stream(ctx, h.stream, opts...) {
		if err != nil {
			return Root[S]{}, false, fmt.Errorf("looking up command %q: %w", h.options.commandID, err)
		}
		handled = append(handled, e)
	}
	if len(handled) == 0 {
		return Root[S]{}, false, nil
	}
	if h.known.version < handled[len(handled)-1].Version {
		if err := h.refresh(ctx); err != nil {
			return Root[S]{}, false, err
		}
	}
	return h.known.root(h.key, handled), true, nil
}

// decide shows the command the state.
func (h *handling[S]) decide() ([]Event[S], error) {
	state := h.known.state
	if h.clone != nil {
		state = h.clone(state)
	}
	return h.cmd.Decide(state)
}

// record appends what was decided on known.
func (h *handling[S]) record(ctx context.Context, decided []Event[S]) (Root[S], error) {
	given := make([]any, len(decided))
	for i, event := range decided {
		given[i] = event
	}
	appended, err := h.store.AppendAll(ctx, eventstore.Write{
		Stream:   h.stream,
		Expected: eventstore.Expected(h.known.version),
		Events:   given,
		Metadata: eventstore.Metadata{CommandID: h.options.commandID},
		// The state must be that of the stored events, and an event that cannot be read would make the aggregate unreadable for ever.
		ReadBack: true,
	})
	if invalid, ok := errors.AsType[*eventstore.CodecError](err); ok {
		return Root[S]{}, &EventError{Stream: h.stream, GoType: invalid.GoType, Reason: "the codec cannot read back what it writes, so nothing was appended: change the event or the codec", Cause: invalid.Cause}
	}
	if err != nil {
		if !errors.Is(err, eventstore.ErrConflict) {
			h.cache.drop(h.key)
		}
		return Root[S]{}, err
	}
	if appended[0].Duplicate {
		return h.readBack(ctx, appended[0])
	}
	events := appended[0].Events
	for i := range events {
		if err := h.known.evolve(events[i]); err != nil {
			return Root[S]{}, err
		}
	}
	h.cache.put(h.key, h.known)
	return h.known.root(h.key, events), nil
}

// readBack returns the events that an earlier attempt stored: another handling of the command, that came between its look-up and
// this append, or this very append, whose first answer was lost.
func (h *handling[S]) readBack(ctx context.Context, appended eventstore.Appended) (Root[S], error) {
	if root, done, err := h.recall(ctx, true); done || err != nil {
		return root, err
	}
	var events []eventstore.Event
	for e, err := range h.store.Stream(ctx, h.stream, eventstore.FromVersion(h.known.version+1), eventstore.ToVersion(appended.Version)) {
		if err != nil {
			return Root[S]{}, fmt.Errorf("reading back what is stored up to version %d: %w", appended.Version, err)
		}
		events = append(events, e)
	}
	if err := h.refresh(ctx); err != nil {
		return Root[S]{}, err
	}
	return h.known.root(h.key, events), nil
}

func (h *handling[S]) wrap(err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("handling %T for %s: %w", h.cmd, h.stream, err)
}
