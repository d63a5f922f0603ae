package scenario_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/strandlog/strand/aggregates"
	"github.com/strandlog/strand/aggregates/scenario"
)

func TestScenariosThatHold(t *testing.T) {
	scenario.Given(t, Deposited{100}).When(Withdraw{30}).Then(Withdrawn{30})
	scenario.Given(t, Deposited{100}).When(Withdraw{300}).ThenError(ErrInsufficientFunds)
	scenario.Given(t, Opened{"alice"}, Deposited{100}).When(Withdraw{30}).
		Then(Withdrawn{30}).
		ThenState(Account{Owner: "alice", Balance: 70, Tags: []string{"new"}}).
		ThenState(Account{Owner: "alice", Balance: 70, Tags: []string{"new"}})
	scenario.Given(t, Opened{"alice"}).When(Open{"alice"}).ThenNothing().Then()
	scenario.Given(t, Deposited{1}).When(Withdraw{2}).ThenError(ErrInsufficientFunds).ThenState(Account{Balance: 1})
	scenario.Given(t, Deposited{1}).When(Deposit{2000}).ThenError(&LimitError{Limit: 1000})
	scenario.When(t, Open{"alice"}).Then(Opened{"alice"})
	scenario.When(t, Withdraw{1}).ThenError(ErrInsufficientFunds)
	history := []Event{Deposited{1}, Deposited{2}}
	scenario.Given(t, history...).When(Withdraw{3}).Then(Withdrawn{3})
}

// A failing check must fail and say why: each case is run against a recorder in place of a *testing.T.
func TestScenariosThatFail(t *testing.T) {
	for name, tt := range map[string]struct {
		run  func(t scenario.TB)
		want []string // all in the message
	}{
		"another event": {
			func(t scenario.TB) { scenario.Given(t, Deposited{100}).When(Withdraw{30}).Then(Withdrawn{31}) },
			[]string{"decided other events", "Amount", "31", "30"},
		},
		"another event type": {
			func(t scenario.TB) { scenario.Given(t, Deposited{100}).When(Withdraw{30}).Then(Deposited{30}) },
			[]string{"decided other events", "Withdrawn", "Deposited"},
		},
		"an event missing": {
			func(t scenario.TB) {
				scenario.Given(t, Deposited{100}).When(Withdraw{30}).Then(Withdrawn{30}, Deposited{1})
			},
			[]string{"decided other events", "Deposited"},
		},
		"an event too many": {
			func(t scenario.TB) { scenario.Given(t, Deposited{100}).When(Withdraw{30}).Then() },
			[]string{"decided other events", "Withdrawn"},
		},
		"events after a refusal": {
			func(t scenario.TB) { scenario.Given(t, Deposited{1}).When(Withdraw{30}).Then(Withdrawn{30}) },
			[]string{"refused", "insufficient funds", "Withdrawn{Amount:30}"},
		},
		"nothing after a refusal": {
			func(t scenario.TB) { scenario.Given(t, Deposited{1}).When(Withdraw{30}).ThenNothing() },
			[]string{"refused", "insufficient funds"},
		},
		"nothing but an event": {
			func(t scenario.TB) { scenario.Given(t, Deposited{1}).When(Withdraw{1}).ThenNothing() },
			[]string{"Withdrawn{Amount:1}", "no events"},
		},
		"no refusal": {
			func(t scenario.TB) { scenario.Given(t, Deposited{1}).When(Withdraw{1}).ThenError(ErrInsufficientFunds) },
			[]string{"Withdrawn{Amount:1}", "insufficient funds"},
		},
		"another refusal": {
			func(t scenario.TB) {
				scenario.Given(t, Deposited{1}).When(Withdraw{2}).ThenError(errors.New("insufficient funds"))
			},
			[]string{"another error", "withdraw 2: insufficient funds"},
		},
		"a refusal with other fields": {
			func(t scenario.TB) { scenario.When(t, Deposit{2000}).ThenError(&LimitError{Limit: 999}) },
			[]string{"another error", "more than 999", "more than 1000"},
		},
		"no error wanted": {
			func(t scenario.TB) { scenario.Given(t, Deposited{1}).When(Withdraw{2}).ThenError(nil) },
			[]string{"ThenError(nil)"},
		},
		"another state": {
			func(t scenario.TB) {
				scenario.Given(t, Deposited{3}).When(Withdraw{1}).ThenState(Account{Balance: 3})
			},
			[]string{"the state afterwards", "Balance"},
		},
		"a Decide that writes": {
			func(t scenario.TB) { scenario.Given(t, Opened{"alice"}).When(Retag{}).ThenNothing() },
			[]string{"Retag.Decide wrote to the state", "Tags"},
		},
		"an Evolve that reads the clock": {
			func(t scenario.TB) { scenario.Given(t, Ticked{}).When(Wait{}).ThenNothing() },
			[]string{"the same events led to two states"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			got := failure(tt.run)
			if got == "" {
				t.Fatal("the scenario passed")
			}
			for _, want := range tt.want {
				if !strings.Contains(got, want) {
					t.Errorf("message lacks %q:\n%s", want, got)
				}
			}
		})
	}
}

// ticks stands in for a clock.
var ticks int64

type clock struct{ At int64 }

type (
	Ticked struct{}
	Wait   struct{}
)

func (Ticked) Evolve(c *clock) { ticks++; c.At = ticks }

func (Wait) Decide(clock) ([]aggregates.Event[clock], error) { return nil, nil }

// recorder keeps the first failure and ends the scenario there, as a *testing.T does.
type recorder struct{ message string }

type stop struct{}

func (*recorder) Helper() {}

func (r *recorder) Fatalf(format string, args ...any) {
	r.message = fmt.Sprintf(format, args...)
	panic(stop{})
}

func failure(run func(scenario.TB)) (message string) {
	r := new(recorder)
	defer func() {
		if p := recover(); p != nil && p != (stop{}) {
			panic(p)
		}
		message = r.message
	}()
	run(r)
	return ""
}
