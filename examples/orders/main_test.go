package main

import (
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/strandlog/strand/aggregates/scenario"
	"github.com/strandlog/strand/internal/pgtest"
)

func TestMain(m *testing.M) { pgtest.Main(m) }

const printed = `40 orders, two workers that project them
refused: cannot ship an order that is "placed"
order-5 in PostgreSQL, right behind the command: eve, 500 cents, shipped
20 more orders, and one worker killed: the other has caught up
parked: order.paid of order-61, whose day no calendar has
revenue per day:  2026-03-01 45000  2026-03-02 45000  2026-03-03 45000
orders by status:  cancelled 8  paid 26  placed 13  shipped 14
revenue per day, rebuilt without what was paid back:  2026-02-01 6100  2026-03-01 38700  2026-03-02 39400  2026-03-03 40100
`

// TestRun runs the example as a user does, on a database that is given, twice, and on one of its own, and compares what it prints.
func TestRun(t *testing.T) {
	database := pgtest.Pool(t).Config().ConnString()
	for name, url := range map[string]string{"first": database, "again": database, "own server": ""} {
		t.Run(name, func(t *testing.T) {
			run := exec.CommandContext(t.Context(), "go", "run", ".")
			run.Env = append(os.Environ(), "DATABASE_URL="+url)
			var stderr strings.Builder
			run.Stderr = &stderr
			out, err := run.Output()
			if err != nil {
				t.Fatalf("%v: %s", err, &stderr)
			}
			if string(out) != printed {
				t.Errorf("it printed\n%s\nwant\n%s", out, printed)
			}
		})
	}
}

// TestRules asks for what an order allows, and for what it does not.
func TestRules(t *testing.T) {
	place, pay := Placed{"ada", 500}, Paid{"2026-03-01", 500}
	scenario.When(t, Place{"ada", 500}).Then(place)
	scenario.Given(t, place).When(Pay{"2026-03-01"}).Then(pay)
	scenario.Given(t, place, pay).When(Ship{}).Then(Shipped{})
	scenario.Given(t, place).When(Cancel{"2026-03-02"}).Then(Cancelled{Day: "2026-03-02"})
	scenario.Given(t, place, pay).When(Cancel{"2026-03-02"}).Then(Cancelled{"2026-03-02", 500})
	for _, refused := range []interface{ Decide(Order) ([]Event, error) }{Place{"bob", 1}, Pay{}, Ship{}, Cancel{}} {
		if _, err := refused.Decide(Order{Status: shipped}); err == nil {
			t.Errorf("%T was allowed for an order that is shipped", refused)
		}
	}
}
