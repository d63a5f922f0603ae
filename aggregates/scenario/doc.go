// Package scenario tests aggregates by example: given these events, when this command is decided, then these events follow, or
// this refusal. Nothing is stored and no broker runs.
//
//	scenario.Given(t, Deposited{100}).When(Withdraw{300}).ThenError(ErrInsufficientFunds)
//	scenario.Given(t, Deposited{100}).When(Withdraw{30}).Then(Withdrawn{30}).ThenState(Account{Balance: 70})
//	scenario.When(t, Open{Owner: "alice"}).Then(Opened{Owner: "alice"})
//
// The state's type is inferred from the events' Evolve method or the command's Decide method. Given without events has neither:
// begin with [When] instead.
//
// # Failure
//
// A check that does not hold ends the test with a diff between what was wanted (-) and what was decided (+), of go-cmp's kind:
// unexported fields count, and types with an Equal method are compared by it. A command whose outcome is never checked checks nothing.
//
// # Rules it enforces
//
// Decide must not write to the state that it is given. A scenario folds its events twice, shows Decide one of the two states, and
// fails when it differs from the other afterwards. Writes through memory that an event shares with the state go unnoticed.
package scenario
