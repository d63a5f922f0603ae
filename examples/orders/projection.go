package main

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/strandlog/strand/eventstore"
	"github.com/strandlog/strand/projections"
)

// row is an order as it is read: a row of table example_orders.rows, which package postgres makes and fills.
type row struct {
	Customer string
	Cents    int64
	Status   Status
}

var orders = projections.Define("example_orders",
	projections.Fold(func(r *row, e eventstore.Recorded[Placed]) { *r = row{e.Data.Customer, e.Data.Cents, placed} }),
	projections.Fold(func(r *row, _ eventstore.Recorded[Paid]) { r.Status = paid }),
	projections.Fold(func(r *row, _ eventstore.Recorded[Shipped]) { r.Status = shipped }),
	projections.Fold(func(r *row, _ eventstore.Recorded[Cancelled]) { r.Status = cancelled }),
)

// revenue is SQL of our own, in the very transaction that moves the checkpoint: not idempotent, and still each event counts once.
var revenue = projections.Define("example_revenue", projections.On(earned)).Setup(createDays)

// netRevenue is its second version, which no longer forgets what was paid back, and books what was paid on no day of a month on its first.
var netRevenue = projections.Define("example_revenue", projections.On(earnedAnyDay), projections.On(paidBack)).Version(2).Setup(createDays)

func createDays(ctx context.Context, tx pgx.Tx) error {
	_, err := tx.Exec(ctx, "CREATE TABLE days (day date PRIMARY KEY, cents bigint NOT NULL)")
	return err
}

func earned(ctx context.Context, tx pgx.Tx, e eventstore.Recorded[Paid]) error {
	return book(ctx, tx, e.Data.Day, e.Data.Cents)
}

func earnedAnyDay(ctx context.Context, tx pgx.Tx, e eventstore.Recorded[Paid]) error {
	day := e.Data.Day
	if _, err := time.Parse(time.DateOnly, day); err != nil {
		day = day[:len("2006-01-")] + "01"
	}
	return book(ctx, tx, day, e.Data.Cents)
}

func paidBack(ctx context.Context, tx pgx.Tx, e eventstore.Recorded[Cancelled]) error {
	return book(ctx, tx, e.Data.Day, -e.Data.Refund)
}

func book(ctx context.Context, tx pgx.Tx, day string, cents int64) error {
	_, err := tx.Exec(ctx, "INSERT INTO days AS d VALUES ($1::text::date, $2) ON CONFLICT (day) DO UPDATE SET cents = d.cents + excluded.cents", day, cents)
	return err
}
