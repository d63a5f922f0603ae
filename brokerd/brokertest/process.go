package brokertest

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"os/signal"
	"syscall"
	"testing"

	"github.com/strandlog/strand/brokerd/broker"
)

// nodeEnv makes a test binary a node.
const nodeEnv = "STRAND_BROKERTEST_NODE"

// settings are what a process that is a node is given.
type settings struct {
	Dir, Listen string
	Cluster     *clusterSettings // nil: it is alone
	Log         string           // a file; empty: nowhere
}

// clusterSettings are a broker.ClusterConfig without certificates.
type clusterSettings struct {
	Name, Node, Listen, Advertise, Secret string
	Peers                                 []string
}

func settingsOf(c *broker.ClusterConfig) *clusterSettings {
	if c == nil {
		return nil
	}
	return &clusterSettings{Name: c.Name, Node: c.Node, Listen: c.Listen, Advertise: c.Advertise, Secret: c.Secret, Peers: c.Peers}
}

func (s *clusterSettings) config() *broker.ClusterConfig {
	if s == nil {
		return nil
	}
	return &broker.ClusterConfig{Name: s.Name, Node: s.Node, Listen: s.Listen, Advertise: s.Advertise, Secret: s.Secret, Peers: s.Peers}
}

// Main is for TestMain of packages whose tests use [Processes]: it runs the tests, or the node that this process is to be.
func Main(m *testing.M, run func(*testing.M) int) int {
	if given := os.Getenv(nodeEnv); given != "" {
		if err := runNode(given); err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		return 0
	}
	return run(m)
}

func runNode(given string) error {
	var s settings
	if err := json.Unmarshal([]byte(given), &s); err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM) //nolint:forbidigo // it is the whole process
	defer stop()
	cfg := broker.Config{Dir: s.Dir, Listen: s.Listen, Cluster: s.Cluster.config()}
	if s.Log != "" {
		f, err := os.OpenFile(s.Log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
		if err != nil {
			return err
		}
		defer func() { _ = f.Close() }()
		cfg.Logger = slog.New(slog.NewTextHandler(f, nil))
	}
	b, err := broker.Start(ctx, cfg)
	if err != nil {
		return err
	}
	if _, err := fmt.Fprintln(os.Stdout, "ready"); err != nil {
		return errors.Join(err, b.Close(context.WithoutCancel(ctx)))
	}
	<-ctx.Done()
	return b.Close(context.WithoutCancel(ctx))
}

// process is a node in a process of its own.
type process struct {
	cmd *exec.Cmd
	out *bufio.Scanner
}

func startProcess(ctx context.Context, s settings) (*process, error) {
	given, err := json.Marshal(s)
	if err != nil {
		return nil, err
	}
	cmd := exec.CommandContext(ctx, os.Args[0])
	cmd.Env = append(os.Environ(), nodeEnv+"="+string(given))
	cmd.Stderr = os.Stderr
	cmd.SysProcAttr = dieWithParent()
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	return &process{cmd: cmd, out: bufio.NewScanner(out)}, nil
}

// ready waits until the node serves.
func (p *process) ready(ctx context.Context) error {
	stop := context.AfterFunc(ctx, func() { _ = p.cmd.Process.Kill() })
	defer stop()
	if !p.out.Scan() {
		return errors.Join(errors.New("the process ended before it was ready"), ctx.Err(), p.cmd.Wait())
	}
	return nil
}

func (p *process) kill() error {
	err := p.cmd.Process.Kill()
	_ = p.cmd.Wait() // it says that it was killed
	return err
}

func (p *process) stop() error {
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		return err
	}
	return p.cmd.Wait()
}
