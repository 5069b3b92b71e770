//go:build !linux

package core

import "syscall"

func dup(int) (int, error) { return 0, syscall.ENOSYS }
