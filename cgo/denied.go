//go:build linux && cgo

package cgo

// #include "shim.h"
import "C"

import "syscall"

// Denied makes one of io_uring's system calls with arguments that no kernel
// accepts, and returns the error if something other than the call's own code
// gives it: a seccomp filter, another sandbox, or a setting. It returns 0 if
// nothing stands in between.
func Denied(c Call) syscall.Errno {
	const noDescriptor = 1<<31 - 1
	var errno, kernels syscall.Errno
	switch c {
	case CallSetup:
		_, _, errno = syscall.RawSyscall(C.__NR_io_uring_setup, 1, 0, 0)
		kernels = syscall.EFAULT
	case CallEnter:
		_, _, errno = syscall.RawSyscall6(C.__NR_io_uring_enter, noDescriptor, 0, 0, 0, 0, 0)
		kernels = syscall.EBADF
	case CallRegister:
		_, _, errno = syscall.RawSyscall6(C.__NR_io_uring_register, noDescriptor, RegisterProbe, 0, 0, 0, 0)
		kernels = syscall.EBADF
	}
	if errno == kernels {
		return 0
	}
	return errno
}
