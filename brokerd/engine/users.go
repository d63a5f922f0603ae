package engine

import (
	"crypto/rand"

	"github.com/nats-io/nats-server/v2/server"
)

const (
	logAccount    = "LOG"     // owns the engine streams; its name is also a directory on disk
	clientAccount = "CLIENTS" // has no streams and no right to manage any

	logUser    = "log"
	nodeUser   = "node"
	clientUser = "client"

	servedSubjects = "strand.>" // only the node itself may answer here
	apiSubjects    = "$JS.>"    // the engine's own API
	inProcess      = "IN_PROCESS"
)

// users are the engine's three identities: the log's and the node's exist in-process alone, with passwords that live as long
// as the engine; everyone who comes without credentials is a client. A raw publish or purge would void every guarantee of the
// log, hence accounts of their own rather than permissions: a client cannot even name the log's subjects.
type users struct {
	logPassword, nodePassword string
}

func newUsers() users {
	return users{logPassword: rand.Text(), nodePassword: rand.Text()}
}

func (u users) apply(opts *server.Options) {
	log, clients := server.NewAccount(logAccount), server.NewAccount(clientAccount)
	local := map[string]struct{}{inProcess: {}}
	opts.Accounts = []*server.Account{log, clients}
	opts.Users = []*server.User{
		{Username: logUser, Password: u.logPassword, Account: log, AllowedConnectionTypes: local},
		{Username: nodeUser, Password: u.nodePassword, Account: clients, AllowedConnectionTypes: local},
		{Username: clientUser, Account: clients, Permissions: &server.Permissions{
			// The engine would refuse for want of an account with a store; a client has no business there at all.
			Publish: &server.SubjectPermission{Deny: []string{apiSubjects}},
			// A client that could listen here would see other clients' requests and could answer them.
			Subscribe: &server.SubjectPermission{Deny: []string{servedSubjects}},
		}},
	}
	opts.NoAuthUser = clientUser
}
