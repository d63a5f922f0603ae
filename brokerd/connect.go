package main

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/strandlog/strand/commitlog"
	"github.com/strandlog/strand/eventstore"
)

const (
	serverVariable = "STRAND_SERVER"
	serverDefault  = "nats://127.0.0.1:4222"
)

// server is the node that a command is a client of.
type server struct{ flag string }

// addTo gives a command, and those below it, the flag.
func (s *server) addTo(c *cobra.Command) {
	c.PersistentFlags().StringVar(&s.flag, "server", "", "the `URL` of a node (default $"+serverVariable+", else "+serverDefault+")")
	_ = c.RegisterFlagCompletionFunc("server", cobra.NoFileCompletions) // the flag exists
}

// url is the flag, else the environment's, else the default.
func (s *server) url() string {
	if s.flag != "" {
		return s.flag
	}
	if u := os.Getenv(serverVariable); u != "" {
		return u
	}
	return serverDefault
}

// How long a person waits for a node.
const (
	dialTimeout     = 5 * time.Second
	answerTimeout   = 10 * time.Second
	completeTimeout = time.Second
)

// fetchBytesMax keeps the memory of a command that reads all partitions of a topic small, however many they are.
const fetchBytesMax = 128 << 10

// use runs work with a client of the node, until a signal. What goes wrong is told in the words of the command line.
func (s *server) use(cmd *cobra.Command, work func(ctx context.Context, client *commitlog.Client) error) error {
	return untilSignal(cmd.Context(), func(ctx context.Context) error {
		client, err := s.dial(ctx, commitlog.Config{ReadTimeout: answerTimeout, FetchBytesMax: fetchBytesMax})
		if err == nil {
			err = errors.Join(work(ctx, client), client.Close())
		}
		if err != nil && ctx.Err() != nil && errors.Is(err, context.Canceled) {
			return failed(exitError, err, "interrupted")
		}
		return s.explain(err)
	})
}

// dial connects, or says that there is nothing to connect to.
func (s *server) dial(ctx context.Context, cfg commitlog.Config) (*commitlog.Client, error) {
	ctx, cancel := context.WithTimeout(ctx, dialTimeout)
	defer cancel()
	return cfg.Dial(ctx, s.url())
}

// explain says what an error of the client means here, and what to do about it.
func (s *server) explain(err error) error {
	told, usage := new(toldError), new(usageError)
	if err == nil || errors.As(err, &told) || errors.As(err, &usage) {
		return err
	}
	if unknown, ok := errors.AsType[*commitlog.UnknownTopicError](err); ok {
		return failed(exitNotFound, err, "topic %q does not exist: brokerd topics list shows those that do", unknown.Topic)
	}
	if refused, ok := errors.AsType[*commitlog.GroupError](err); ok {
		return explainGroup(refused)
	}
	switch {
	case errors.Is(err, commitlog.ErrUnavailable):
		return s.unavailable(err)
	case errors.Is(err, commitlog.ErrCorrupt), errors.Is(err, commitlog.ErrLogDiverged):
		return failed(exitDamage, err, "%s\n  brokerd verify --server %s finds all damage", plain(err), s.shown())
	case errors.Is(err, commitlog.ErrOffsetOutOfRange), errors.Is(err, eventstore.ErrUnreachable):
		return failed(exitNotFound, err, "%s", plain(err))
	case errors.Is(err, commitlog.ErrTopicExists):
		return failed(exitRefused, err, "%s", plain(err))
	case errors.Is(err, commitlog.ErrInvalid), errors.Is(err, commitlog.ErrInvalidName), errors.Is(err, eventstore.ErrText):
		return misused("%s", plain(err))
	}
	return failed(exitError, err, "%s", plain(err))
}

// explainGroup says what the refusal of a group's coordinator means here.
func explainGroup(refused *commitlog.GroupError) error {
	switch {
	case errors.Is(refused, commitlog.ErrUnknownGroup):
		return failed(exitNotFound, refused, "group %q does not exist: brokerd groups list shows those that do", refused.Group)
	case errors.Is(refused, commitlog.ErrGroupNotEmpty):
		return failed(exitRefused, refused, "%s", plain(refused))
	case errors.Is(refused, commitlog.ErrInvalid):
		return misused("%s", plain(refused))
	}
	return failed(exitError, refused, "%s", plain(refused))
}

// unavailable tells a node that is not there from one that does not answer.
func (s *server) unavailable(err error) error {
	away, ok := errors.AsType[*commitlog.UnavailableError](err)
	if !ok {
		return failed(exitUnavailable, err, "%s", plain(err))
	}
	if away.Doing == "connecting" {
		reason := strings.TrimPrefix(away.Cause.Error(), "nats: ")
		switch {
		case strings.Contains(reason, "no servers available"): // what nats.go makes of a refused connection
			reason = "connection refused"
		case errors.Is(away.Cause, context.DeadlineExceeded):
			reason = fmt.Sprintf("no answer within %v", dialTimeout)
		}
		return failed(exitUnavailable, err, "no node at %s: %s\n  start one with: brokerd dev\n  or name another: --server URL, or %s in the environment", s.shown(), reason, serverVariable)
	}
	return failed(exitUnavailable, err, "%s: what runs at %s does not answer: %v\n  its log may say why; if that is no brokerd, name one: --server URL", away.Doing, s.shown(), away.Cause)
}

// shown is the URL as it may be shown to others: without a password.
func (s *server) shown() string {
	one := strings.Split(s.url(), ",")
	for i := range one {
		if u, err := url.Parse(strings.TrimSpace(one[i])); err == nil {
			one[i] = u.Redacted()
		}
	}
	return strings.Join(one, ",")
}

// plain is an error without the name of the library that it came from.
func plain(err error) string {
	text := err.Error()
	for _, library := range []string{"commitlog: ", "eventstore: ", "migrations: ", "projections: "} {
		text = strings.ReplaceAll(text, library, "")
	}
	return text
}

// completeTopics completes the name of a topic, of some kinds or of any, by asking the node. A node that does not answer at once completes nothing.
func (s *server) completeTopics(kinds ...commitlog.Kind) cobra.CompletionFunc {
	return func(cmd *cobra.Command, args []string, _ string) ([]cobra.Completion, cobra.ShellCompDirective) {
		if len(args) > 0 {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		return s.topicNames(cmd.Context(), kinds), cobra.ShellCompDirectiveNoFileComp
	}
}

// completeTopicFlag is the same for a flag, which may stand behind arguments.
func (s *server) completeTopicFlag(kinds ...commitlog.Kind) cobra.CompletionFunc {
	return func(cmd *cobra.Command, _ []string, _ string) ([]cobra.Completion, cobra.ShellCompDirective) {
		return s.topicNames(cmd.Context(), kinds), cobra.ShellCompDirectiveNoFileComp
	}
}

// completeGroups completes the name of a group in the same way.
func (s *server) completeGroups(cmd *cobra.Command, args []string, _ string) ([]cobra.Completion, cobra.ShellCompDirective) {
	if len(args) > 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	return s.completeGroupFlag(cmd, nil, "")
}

// completeGroupFlag is the same for a flag.
func (s *server) completeGroupFlag(cmd *cobra.Command, _ []string, _ string) ([]cobra.Completion, cobra.ShellCompDirective) {
	var names []cobra.Completion
	s.complete(cmd.Context(), func(ctx context.Context, client *commitlog.Client) error {
		all, err := client.Groups(ctx)
		for _, g := range all {
			names = append(names, cobra.CompletionWithDesc(g.Name, g.State))
		}
		return err
	})
	return names, cobra.ShellCompDirectiveNoFileComp
}

func (s *server) topicNames(ctx context.Context, kinds []commitlog.Kind) (names []cobra.Completion) {
	s.complete(ctx, func(ctx context.Context, client *commitlog.Client) error {
		topics, err := client.Topics(ctx)
		for _, t := range shownTopics(topics, false) {
			if len(kinds) == 0 || slices.Contains(kinds, t.Kind) {
				names = append(names, cobra.CompletionWithDesc(t.Name, string(t.Kind)))
			}
		}
		return err
	})
	return names
}

// complete has the node asked for names. What goes wrong is not told: there are none then.
func (s *server) complete(ctx context.Context, ask func(ctx context.Context, client *commitlog.Client) error) {
	ctx, cancel := context.WithTimeout(ctx, completeTimeout)
	defer cancel()
	client, err := s.dial(ctx, commitlog.Config{ReadTimeout: completeTimeout})
	if err != nil {
		return
	}
	_ = ask(ctx, client)
	_ = client.Close() // nothing was sent
}
