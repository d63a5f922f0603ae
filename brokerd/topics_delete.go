package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"
	"github.com/strandlog/strand/commitlog"
)

func topicsDeleteCommand(s *server) *cobra.Command {
	var f format
	var yes bool
	c := &cobra.Command{
		Use:   "delete TOPIC",
		Short: "Delete a topic with all its records, for good",
		Long: `Delete a topic with all its records, for good. On a terminal it asks first; elsewhere it wants --yes. A topic that is created under the same name
later is another one: positions and checkpoints of this one do not hold there.

` + exitHelp(exitOK, exitError, exitUsage, exitUnavailable, exitNotFound, exitRefused),
		Example:           "  brokerd topics delete clicks\n  brokerd topics delete clicks --yes   # in a script",
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: s.completeTopics(),
		RunE: func(cmd *cobra.Command, args []string) error {
			return s.use(cmd, func(ctx context.Context, client *commitlog.Client) error {
				t, err := client.Topic(ctx, args[0])
				if err != nil {
					return err
				}
				if !yes {
					question := fmt.Sprintf("Delete topic %s with its %d records, for good? Type its name: ", t.Name, newTopicLine(t).Records)
					if err := confirm(ctx, cmd, question, t.Name); err != nil {
						return err
					}
				}
				if err := client.DeleteTopic(ctx, t.ID); err != nil {
					return err
				}
				tell(cmd, "Deleted topic %s.", t.Name)
				if f.json() {
					return writeJSON(cmd.OutOrStdout(), newTopicLine(t))
				}
				return nil
			})
		},
	}
	c.Flags().BoolVarP(&yes, "yes", "y", false, "do not ask")
	f.addTo(c)
	return c
}

// confirm asks on a terminal, and wants one answer.
func confirm(ctx context.Context, cmd *cobra.Command, question, want string) error {
	in, ok := cmd.InOrStdin().(*os.File)
	if !ok || !isTerminal(in) {
		return misused("nobody is there to confirm it: add --yes")
	}
	if _, err := io.WriteString(cmd.ErrOrStderr(), question); err != nil {
		return err
	}
	answers := make(chan string, 1)
	go func() { // a read from a terminal cannot be interrupted: it ends with the program
		answer, _ := bufio.NewReader(in).ReadString('\n') // what there is, is the answer
		answers <- answer
	}()
	select {
	case answer := <-answers:
		if strings.TrimSpace(answer) == want {
			return nil
		}
	case <-ctx.Done():
		tell(cmd, "")
		return ctx.Err()
	}
	return failed(exitRefused, nil, "not confirmed: nothing is changed; --yes does not ask")
}
