package engine

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
)

// apiTimeout bounds one request to the engine's API within the caller's context.
const apiTimeout = 10 * time.Second

// A question that got no answer is asked again, at first after askFirst and later every askMax: it may have met a leader that is gone, or one that has just
// been elected. Who waits for the answer may be about to take over from the former.
const (
	askFirst = 250 * time.Millisecond
	askMax   = time.Second
)

// adminConn is the engine's own connection for API requests; it is opened again after a loss.
func (e *Engine) adminConn() (*nats.Conn, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.admin != nil && e.admin.IsConnected() {
		return e.admin, nil
	}
	nc, err := e.LogConn(nats.Name("admin"))
	if err != nil {
		return nil, err
	}
	e.admin = nc
	return nc, nil
}

// response is an answer of the engine's API.
type response interface{ apiError() *server.ApiError }

// call sends one API request. A nil request has no body. An *server.ApiError is what the engine itself refused with.
func (e *Engine) call(ctx context.Context, subject string, request any, answer response) error {
	// An engine that has disabled its store would leave the request without an answer.
	if err := e.Health(); err != nil {
		return err
	}
	nc, err := e.adminConn()
	if err != nil {
		return err
	}
	var body []byte
	if request != nil {
		if body, err = json.Marshal(request); err != nil {
			return fmt.Errorf("encoding a request to %s: %w", subject, err)
		}
	}
	ctx, cancel := context.WithTimeout(ctx, apiTimeout)
	defer cancel()
	msg, err := nc.RequestWithContext(ctx, subject, body)
	switch {
	case errors.Is(err, nats.ErrNoResponders):
		return ErrDisabled
	case err != nil:
		return fmt.Errorf("request to %s: %w", subject, err)
	}
	if err := json.Unmarshal(msg.Data, answer); err != nil {
		return fmt.Errorf("decoding the answer of %s: %w", subject, err)
	}
	refusal := answer.apiError()
	if refusal == nil {
		return nil
	}
	switch server.ErrorIdentifier(refusal.ErrCode) {
	case server.JSNotEnabledErr, server.JSNotEnabledForAccountErr:
		return ErrDisabled
	case server.JSClusterNotAvailErr, server.JSClusterNotLeaderErr:
		return fmt.Errorf("%w: %w", ErrElecting, refusal)
	case server.JSClusterNoPeersErrF:
		return fmt.Errorf("%w: %w", ErrPeers, refusal)
	}
	return refusal
}

// ask is call for requests that may be sent again without harm.
func (e *Engine) ask(ctx context.Context, subject string, request any, answer response) error {
	if e.cfg.Cluster == nil {
		return e.call(ctx, subject, request, answer)
	}
	ctx, cancel := context.WithTimeout(ctx, apiTimeout)
	defer cancel()
	for timeout := askFirst; ; timeout = min(2*timeout, askMax) {
		limited, stop := context.WithTimeout(ctx, timeout)
		err := e.call(limited, subject, request, answer)
		stop()
		if ctx.Err() != nil || !errors.Is(err, context.DeadlineExceeded) {
			return err
		}
	}
}

// refused says whether err is the engine's refusal with the given code.
func refused(err error, code server.ErrorIdentifier) bool {
	var api *server.ApiError
	return errors.As(err, &api) && api.ErrCode == uint16(code)
}

type streamAnswer struct {
	Error *server.ApiError `json:"error"`
	server.StreamInfo
}

func (a *streamAnswer) apiError() *server.ApiError { return a.Error }

type consumerAnswer struct {
	Error *server.ApiError `json:"error"`
	Name  string           `json:"name"`
}

func (a *consumerAnswer) apiError() *server.ApiError { return a.Error }

type messageAnswer struct {
	Error   *server.ApiError  `json:"error"`
	Message *server.StoredMsg `json:"message"`
}

func (a *messageAnswer) apiError() *server.ApiError { return a.Error }

type plainAnswer struct {
	Error *server.ApiError `json:"error"`
}

func (a *plainAnswer) apiError() *server.ApiError { return a.Error }

type namesAnswer struct {
	Error   *server.ApiError `json:"error"`
	Total   int              `json:"total"`
	Streams []string         `json:"streams"`
}

func (a *namesAnswer) apiError() *server.ApiError { return a.Error }
