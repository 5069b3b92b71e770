//go:build !linux || !(amd64 || arm64 || riscv64 || loong64)

package nowait

import "syscall"

// Read is not there.
func Read(int, []byte, int64) (int, syscall.Errno) { return 0, syscall.ENOSYS }

// ReadUntold is not there.
func ReadUntold(int, []byte, int64) (int, syscall.Errno) { return 0, syscall.ENOSYS }

// Write is not there.
func Write(int, []byte, int64) (int, syscall.Errno) { return 0, syscall.ENOSYS }
