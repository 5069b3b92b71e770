//go:build linux && (386 || arm || mips || mipsle)

package file

import "syscall"

// fadvise is not there: the call takes its arguments differently on each of
// these processors. The ring has it.
func fadvise(int, int64, int64, int) error { return syscall.ENOSYS }
