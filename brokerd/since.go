package main

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/strandlog/strand/commitlog"
)

// origin is where reading begins: a flag.
type origin struct {
	text   string
	offset *int64     // of one partition
	time   *time.Time // nil, as offset: the start or the end
	latest bool
}

// The words for both ends of a partition.
const (
	fromEarliest = "earliest"
	fromLatest   = "latest"
)

// Type is how help shows the flag's value.
func (o *origin) Type() string { return "place" }

// String is the flag's value.
func (o *origin) String() string { return o.text }

// Set reads it.
func (o *origin) Set(text string) error {
	*o = origin{text: text}
	switch text {
	case fromEarliest:
		return nil
	case fromLatest:
		o.latest = true
		return nil
	}
	if offset, err := strconv.ParseInt(text, 10, 64); err == nil && offset >= 0 {
		o.offset = &offset
		return nil
	}
	if ago, err := parseAge(text); err == nil {
		o.time = new(time.Now().Add(-ago))
		return nil
	}
	for _, form := range [...]string{time.RFC3339Nano, "2006-01-02T15:04:05", "2006-01-02T15:04", time.DateOnly} {
		if t, err := time.ParseInLocation(form, text, time.UTC); err == nil {
			o.time = &t
			return nil
		}
	}
	return fmt.Errorf("write earliest, latest, an offset (1207), an age (15m, 7d) or a time (2026-11-23T10:00:00Z)")
}

// at is where reading a partition begins.
func (o *origin) at(ctx context.Context, client *commitlog.Client, t commitlog.Topic, partition int32) (int64, error) {
	p := t.Partitions[partition]
	switch {
	case o.offset != nil && (*o.offset < p.Start || *o.offset > p.End):
		return 0, &commitlog.OffsetRangeError{Topic: t.Name, Partition: partition, Offset: *o.offset, Start: p.Start, End: p.End}
	case o.offset != nil:
		return *o.offset, nil
	case o.latest:
		return p.End, nil
	case o.time != nil && !t.ProducerTime: // times that producers give are in no order
		return client.OffsetAt(ctx, t, partition, *o.time)
	}
	return commitlog.Earliest, nil
}

// before says whether a record is older than what is wanted.
func (o *origin) before(r *commitlog.Record) bool { return o.time != nil && r.Time.Before(*o.time) }
