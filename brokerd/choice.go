package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"
)

// choice is a flag that takes one of a few words.
type choice struct {
	value string
	of    []string
}

// String is the word.
func (c *choice) String() string { return c.value }

// Set refuses other words.
func (c *choice) Set(word string) error {
	if !slices.Contains(c.of, word) {
		return fmt.Errorf("choose one of: %s", strings.Join(c.of, ", "))
	}
	c.value = word
	return nil
}

// Type is how help shows the flag's value.
func (c *choice) Type() string { return strings.Join(c.of, "|") }

// addTo gives a command the flag. The first word is the default.
func (c *choice) addTo(cmd *cobra.Command, name, shorthand, usage string, words ...string) {
	c.value, c.of = words[0], words
	cmd.Flags().VarP(c, name, shorthand, usage)
	_ = cmd.RegisterFlagCompletionFunc(name, cobra.FixedCompletions(words, cobra.ShellCompDirectiveNoFileComp)) // the flag exists
}
