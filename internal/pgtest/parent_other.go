//go:build !linux

package pgtest

import "syscall"

// dieWithParent cannot have the server end with the test here: one that is killed leaves it behind.
func dieWithParent() *syscall.SysProcAttr { return &syscall.SysProcAttr{} }
