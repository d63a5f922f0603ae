package engine

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"sync"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
)

// Engine is a running log store. Its methods may be called by many goroutines.
type Engine struct {
	cfg     Config
	users   users
	log     *logger
	server  *server.Server
	account *server.Account // the log's

	closeOnce sync.Once
	closing   chan struct{}
	closed    chan struct{} // the server has stopped

	mu    sync.Mutex
	admin *nats.Conn // see adminConn

	restarting sync.Mutex // held by Restart; taken before mu
	failure    failure
	deaf       deafness
	leaps      *leaps
	stuck      stuck
}

// Start recovers the log in cfg.Dir and returns when the engine is ready. Recovery is not interrupted half-way:
// when ctx ends meanwhile, the engine is stopped again before Start returns.
// The errors to act on are ErrListen and ErrStart.
func Start(ctx context.Context, cfg Config) (*Engine, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if cfg.Dir == "" {
		return nil, &StartError{Dir: "(none)", Err: errors.New("Config.Dir is empty: name the directory that holds the log")}
	}
	at, err := cfg.address()
	if err != nil {
		return nil, err
	}
	if err := at.probe(ctx); err != nil {
		return nil, err
	}
	if err := os.MkdirAll(cfg.Dir, 0o700); err != nil {
		return nil, &StartError{Dir: cfg.Dir, Err: err}
	}
	if cfg, err = cfg.withDefaults(); err != nil {
		return nil, &StartError{Dir: cfg.Dir, Err: err}
	}
	e := &Engine{
		cfg:     cfg,
		users:   newUsers(),
		log:     newLogger(cfg.Logger),
		closing: make(chan struct{}),
		closed:  make(chan struct{}),
		leaps:   newLeaps(cfg.Dir),
	}
	if err := cfg.checkMetadata(); err != nil {
		return nil, &StartError{Dir: cfg.Dir, Err: err}
	}
	opts, err := cfg.options(at, e.users)
	if err != nil {
		return nil, &StartError{Dir: cfg.Dir, Err: err}
	}
	e.failure = newFailure(cfg.Dir)
	e.log.failed = e.failure.set
	if _, err := os.Stat(e.failure.note); err == nil {
		if err := e.rewriteDoubtful(); err != nil {
			return nil, &StartError{Dir: cfg.Dir, Err: err}
		}
	}
	if err := checkStart(cfg.Dir); err != nil {
		return nil, &StartError{Dir: cfg.Dir, Err: err}
	}
	e.server, err = server.NewServer(opts)
	if err != nil {
		return nil, &StartError{Dir: cfg.Dir, Err: err}
	}
	e.server.SetLoggerV2(e.log, false, false, false)
	if err := e.start(); err != nil {
		e.stop()
		return nil, &StartError{Dir: cfg.Dir, Err: err}
	}
	if err := ctx.Err(); err != nil {
		e.stop()
		return nil, err
	}
	return e, nil
}

// probe tells of a taken port before a long recovery. The server listens last.
func (l *listen) probe(ctx context.Context) error {
	if l == nil {
		return nil
	}
	address := net.JoinHostPort(l.host, fmt.Sprint(l.port))
	var lc net.ListenConfig
	s, err := lc.Listen(ctx, "tcp", address)
	if err != nil {
		return &ListenError{Address: address, Err: fmt.Errorf("%w: stop the process that holds port %d, choose another port, or port 0 for any free one", err, l.port)}
	}
	return s.Close()
}

func (e *Engine) start() error {
	e.server.Start()
	if err := e.log.fatal(); err != nil {
		return err
	}
	account, err := e.server.LookupAccount(logAccount)
	if err != nil {
		return fmt.Errorf("account of the log: %w", err)
	}
	e.account = account
	if err := account.EnableJetStream(nil, nil); err != nil {
		return fmt.Errorf("recovering the log: %w", err)
	}
	return nil
}

// Close stops the engine and waits until everything is on disk, or until ctx ends; the engine then goes on stopping.
// Connections are closed. Close may be called again.
func (e *Engine) Close(ctx context.Context) error {
	go e.stop()
	select {
	case <-e.closed:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("waiting for the engine to stop: %w", ctx.Err())
	}
}

func (e *Engine) stop() {
	e.closeOnce.Do(func() {
		close(e.closing)
		e.mu.Lock()
		admin := e.admin
		e.mu.Unlock()
		if admin != nil {
			admin.Close()
		}
		e.server.Shutdown()
		e.server.WaitForShutdown()
		close(e.closed)
	})
}

// ClientURL is where clients reach the engine; empty when it does not listen.
func (e *Engine) ClientURL() string {
	if e.cfg.Listen == "" && e.cfg.Cluster == nil {
		return ""
	}
	return e.server.ClientURL()
}
