package admin

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"
)

// Config says where to listen and what to show.
type Config struct {
	Listen      string // host:port; port 0 takes any free one
	AllowRemote bool   // permits an address beyond the loopback interface

	Problems func() []Problem // why the node is not ready; none: it is
	Metrics  http.Handler     // nil: there are none
	Pprof    bool

	Logger *slog.Logger // default: discards
}

const (
	connectionsMax    = 64
	headerBytesMax    = 16 << 10
	readHeaderTimeout = 5 * time.Second
	readTimeout       = 10 * time.Second
	writeTimeout      = 90 * time.Second // a profile of a minute
	idleTimeout       = time.Minute
	closeTimeout      = 2 * time.Second // who profiles or says nothing does not hold up the node
)

var (
	// ErrListen means that the address cannot be used.
	ErrListen = errors.New("cannot listen for administration")
	// ErrRemote means that other machines could reach the address, and that this was not allowed.
	ErrRemote = errors.New("the address is reachable from other machines and nobody is authenticated: use 127.0.0.1, or set AllowRemote")
)

// ListenError names the address that cannot be used. It is an ErrListen.
type ListenError struct {
	Address string
	Err     error
}

func (e *ListenError) Error() string {
	return fmt.Sprintf("cannot listen for administration on %q: %v", e.Address, e.Err)
}

// Is makes errors.Is(err, ErrListen) true.
func (e *ListenError) Is(target error) bool { return target == ErrListen }

func (e *ListenError) Unwrap() error { return e.Err }

// Server answers until Close.
type Server struct {
	url  string
	http *http.Server
	done chan struct{} // closed when nothing is accepted any more

	once   sync.Once
	closed error
}

// Start listens and answers. Errors: ErrListen, ErrRemote.
func Start(ctx context.Context, cfg Config) (*Server, error) {
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	host, _, err := net.SplitHostPort(cfg.Listen)
	if err != nil {
		return nil, &ListenError{Address: cfg.Listen, Err: fmt.Errorf("write host:port, such as 127.0.0.1:8080: %w", err)}
	}
	if ip := net.ParseIP(host); !cfg.AllowRemote && host != "localhost" && (ip == nil || !ip.IsLoopback()) {
		return nil, &ListenError{Address: cfg.Listen, Err: ErrRemote}
	}
	var listen net.ListenConfig
	l, err := listen.Listen(ctx, "tcp", cfg.Listen)
	if err != nil {
		return nil, &ListenError{Address: cfg.Listen, Err: fmt.Errorf("%w: choose another port, or port 0 for any free one", err)}
	}
	s := &Server{
		url:  "http://" + l.Addr().String(),
		done: make(chan struct{}),
		http: &http.Server{
			Handler:           handler(cfg),
			MaxHeaderBytes:    headerBytesMax,
			ReadHeaderTimeout: readHeaderTimeout,
			ReadTimeout:       readTimeout,
			WriteTimeout:      writeTimeout,
			IdleTimeout:       idleTimeout,
			ErrorLog:          slog.NewLogLogger(cfg.Logger.Handler(), slog.LevelDebug), // what it says is about clients
		},
	}
	go func() {
		defer close(s.done)
		if err := s.http.Serve(limit(l, connectionsMax)); !errors.Is(err, http.ErrServerClosed) {
			cfg.Logger.Error("the admin listener ended", "error", err)
		}
	}()
	return s, nil
}

// URL is where it listens.
func (s *Server) URL() string { return s.url }

// Close lets the requests under way finish for a moment, unless ctx ends before, and then cuts them off. It may be called more than once.
func (s *Server) Close(ctx context.Context) error {
	s.once.Do(func() {
		ctx, cancel := context.WithTimeout(ctx, closeTimeout)
		defer cancel()
		if s.http.Shutdown(ctx) != nil {
			s.closed = s.http.Close()
		}
		<-s.done
	})
	return s.closed
}

func handler(cfg Config) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /livez", livez)
	mux.Handle("GET /readyz", readyz(cfg.Problems))
	if cfg.Metrics != nil {
		mux.Handle("GET /metrics", cfg.Metrics)
	}
	if cfg.Pprof {
		profiles(mux)
	}
	return mux
}
