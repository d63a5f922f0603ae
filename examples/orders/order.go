package main

import (
	"fmt"
	"slices"

	"github.com/strandlog/strand/aggregates"
)

// Order is the aggregate: what has happened to it so far decides what may happen next.
type Order struct {
	Status Status
	Cents  int64
}

// Status is how far an order is.
type Status string

const (
	placed    Status = "placed"
	paid      Status = "paid"
	shipped   Status = "shipped"
	cancelled Status = "cancelled"
)

// Event is a fact. Evolve is the only place where state changes.
type Event = aggregates.Event[Order]

type Placed struct {
	Customer string
	Cents    int64
}

type Paid struct {
	Day   string // in the shop's calendar
	Cents int64
}

type Shipped struct{}

type Cancelled struct {
	Day    string
	Refund int64 // 0: it was not paid
}

func (e Placed) Evolve(o *Order)    { *o = Order{placed, e.Cents} }
func (e Paid) Evolve(o *Order)      { o.Status = paid }
func (e Shipped) Evolve(o *Order)   { o.Status = shipped }
func (e Cancelled) Evolve(o *Order) { o.Status = cancelled }

// Commands are intents: Decide answers with events, or refuses.
type (
	Place struct {
		Customer string
		Cents    int64
	}
	Pay    struct{ Day string }
	Ship   struct{}
	Cancel struct{ Day string }
)

func (c Place) Decide(o Order) ([]Event, error) {
	if err := o.allow("place", ""); err != nil {
		return nil, err
	}
	return []Event{Placed(c)}, nil
}

func (c Pay) Decide(o Order) ([]Event, error) {
	if err := o.allow("pay", placed); err != nil {
		return nil, err
	}
	return []Event{Paid{c.Day, o.Cents}}, nil
}

func (c Ship) Decide(o Order) ([]Event, error) {
	if err := o.allow("ship", paid); err != nil {
		return nil, err
	}
	return []Event{Shipped{}}, nil
}

func (c Cancel) Decide(o Order) ([]Event, error) {
	if err := o.allow("cancel", placed, paid); err != nil {
		return nil, err
	}
	e := Cancelled{Day: c.Day}
	if o.Status == paid {
		e.Refund = o.Cents
	}
	return []Event{e}, nil
}

// allow refuses what cannot be done with an order as it is.
func (o Order) allow(what string, from ...Status) error {
	if slices.Contains(from, o.Status) {
		return nil
	}
	return fmt.Errorf("cannot %s an order that is %q", what, o.Status)
}

// orderType gives each event its name on the log, for ever.
var orderType = aggregates.Type[Order]{
	Name:   "order",
	Events: map[string]Event{"placed": Placed{}, "paid": Paid{}, "shipped": Shipped{}, "cancelled": Cancelled{}},
}
