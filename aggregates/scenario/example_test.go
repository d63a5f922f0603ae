package scenario_test

import (
	"fmt"

	"github.com/strandlog/strand/aggregates/scenario"
)

// printer stands in for the *testing.T of a real test.
type printer struct{}

func (printer) Helper() {}

func (printer) Fatalf(format string, args ...any) { fmt.Printf(format+"\n", args...) }

func Example() {
	var t printer

	scenario.Given(t, Opened{"alice"}, Deposited{100}).When(Withdraw{30}).Then(Withdrawn{30})
	scenario.Given(t, Deposited{100}).When(Withdraw{300}).ThenError(ErrInsufficientFunds)
	scenario.Given(t, Opened{"alice"}).When(Open{"alice"}).ThenNothing()
	scenario.When(t, Open{"alice"}).Then(Opened{"alice"})

	// This one does not hold.
	scenario.Given(t, Deposited{100}).When(Withdraw{30}).ThenError(ErrInsufficientFunds)
	// Output:
	// decided scenario_test.Withdrawn{Amount:30}, want the error "insufficient funds"
}
