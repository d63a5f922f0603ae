package main

import (
	"strconv"
	"time"

	"github.com/spf13/cobra"
	"github.com/strandlog/strand/brokerd/config"
	"github.com/strandlog/strand/commitlog"
)

// addRetention gives a command the flags of what a plain topic keeps. Those that are not given stay nil.
func addRetention(c *cobra.Command, to *commitlog.TopicChange) {
	c.Flags().Var(ageFlag{&to.RetentionAge}, "retention-age", "delete records that are older than this, such as 36h or 7d; 0 keeps them whatever their age (plain topics)")
	c.Flags().Var(sizeFlag{&to.RetentionBytes}, "retention-bytes", "delete the oldest records of a shard beyond this, such as 20GiB; 0 keeps them whatever their size (plain topics)")
	for _, flag := range []string{"retention-age", "retention-bytes"} {
		_ = c.RegisterFlagCompletionFunc(flag, cobra.NoFileCompletions) // the flag exists
	}
}

// ageFlag is a duration that may be missing.
type ageFlag struct{ to **time.Duration }

func (f ageFlag) Type() string { return "duration" }

func (f ageFlag) String() string {
	if f.to == nil || *f.to == nil {
		return ""
	}
	return shownAge(**f.to)
}

// Set reads it.
func (f ageFlag) Set(text string) error {
	d, err := parseAge(text)
	*f.to = &d
	return err
}

// sizeFlag is a number of bytes that may be missing.
type sizeFlag struct{ to **int64 }

func (f sizeFlag) Type() string { return "size" }

func (f sizeFlag) String() string {
	if f.to == nil || *f.to == nil {
		return ""
	}
	return strconv.FormatInt(**f.to, 10)
}

// Set reads it.
func (f sizeFlag) Set(text string) error {
	n, err := config.ParseSize(text)
	*f.to = &n
	return err
}
