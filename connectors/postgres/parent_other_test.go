//go:build !linux

package postgres_test

import "syscall"

// dieWithParent cannot have a worker end with the test here: one that is killed leaves it behind.
func dieWithParent() *syscall.SysProcAttr { return &syscall.SysProcAttr{} }
