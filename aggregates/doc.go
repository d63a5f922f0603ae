// Package aggregates is the write side: an aggregate is loaded from its stream, a command decides on its state, and the events that
// follow are appended to the stream.
//
//	type Account struct{ Balance int64 }
//
//	type Deposited struct{ Amount int64 }
//	func (e Deposited) Evolve(a *Account) { a.Balance += e.Amount }
//
//	type Deposit struct{ Amount int64 }
//	func (c Deposit) Decide(a Account) ([]aggregates.Event[Account], error) {
//		return []aggregates.Event[Account]{Deposited{c.Amount}}, nil
//	}
//
//	var Accounts = aggregates.Type[Account]{
//		Name:   "account",
//		Events: map[string]aggregates.Event[Account]{"deposited": Deposited{}},
//	}
//
//	store, err := eventstore.Open(ctx, client, eventstore.Config{}, Accounts)
//	accounts := aggregates.NewRepository(store, Accounts)
//	alice, err := accounts.Handle(ctx, "alice", Deposit{100})
//
// # Ordering
//
// The commands for one key are decided one after the other, each on what the one before it recorded: within a repository they
// queue in the order of their arrival, and between processes the expected version of each append keeps them apart. Commands for
// different keys do not wait for each other.
//
// # Durability
//
// A Handle that returned without an error has its events stored, as durable as the log makes what it acknowledges. Its Root.Position
// is what a projection must have reached to show them.
//
// # Consistency
//
// A success is decided on the newest state, because the append would have conflicted otherwise. A refusal, or that nothing
// follows, is answered only after the leader was asked, when Handle had begun, whether the state it was decided on is the newest.
// Load answers with what the log's leader has, which after a failover may for a moment be less than what another node acknowledged.
//
// # Commands that are sent again
//
// A command that is handled under a [CommandID] is handled once in its stream, however often and wherever it is sent: all of its events are stored
// together with the id, and a later handling returns exactly those, all of them, and appends nothing. The id is looked up before Decide and again before any
// refusal, and the log itself refuses a second use, so two processes that handle the command at once store it once. The id is remembered as long as
// the stream is. It counts within one stream, and only once events are stored: what was refused, conflicted, or had no effect may be sent again.
//
// # States are values
//
// Evolve may write to a state; Decide may not. Nobody shares memory with the states that a repository keeps for later:
//
//   - A cached state is cloned when it goes into the cache and when it comes out, so that no Root and no Decide ever holds it.
//   - Decide is shown a clone of its own. Should it write to it, that is without effect.
//   - Events enter a state as their codec reads them back, never as the values that Decide returned, which may share
//     memory with the command. So a cached state is also what a fold of the stored stream gives, whatever the codec leaves out.
//
// A state whose fields are numbers, strings, booleans, times, and arrays and structs of those is cloned by assignment. A state that
// refers to memory (maps, slices, pointers, interfaces) must say how: by a method Clone() S, or by Type.Clone. The clone must
// share nothing that Evolve or a caller may write to; a state whose references are never written through may return itself.
// Without either such a state is not cached: every Handle reads the whole stream, before each decision. Then it is
// Decide's own duty not to write, since the Root that is returned grows out of the state that Decide has seen.
//
// # Concurrency
//
// A Repository is safe for concurrent use. A Root belongs to its caller. Decide, Evolve and Clone run on the goroutine
// that called Handle or Load, and Decide must not call Handle for the key that it decides on: it would wait for itself.
// Memory is bounded by the number of cached states, not by their size.
//
// # Failure
//
// Handle says for each error whether anything is stored. When it cannot know, it says so with eventstore.ErrIndefinite and forgets
// the cached state. A command that may be sent again, by a client that repeats a request or after ErrIndefinite, carries a [CommandID].
//
// # Testing
//
// Package scenario tests Decide and Evolve without a store. A repository over eventstore.NewMemory behaves as one over a broker.
package aggregates
