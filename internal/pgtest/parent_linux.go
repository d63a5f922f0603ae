package pgtest

import "syscall"

// dieWithParent has the server end with the test, however that ends.
func dieWithParent() *syscall.SysProcAttr { return &syscall.SysProcAttr{Pdeathsig: syscall.SIGQUIT} }
