package engine

import "github.com/nats-io/nats-server/v2/server"

// Server is the embedded server, for tests that break it.
func (e *Engine) Server() *server.Server { return e.server }

// PasswordOf is the password of one of the in-process users.
func PasswordOf(e *Engine, user string) string {
	if user == logUser {
		return e.users.logPassword
	}
	return e.users.nodePassword
}
