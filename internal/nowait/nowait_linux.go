//go:build amd64 || arm64 || riscv64 || loong64

package nowait

import (
	"runtime"
	"syscall"
	"unsafe"
)

const rwfNowait = 8 // RWF_NOWAIT of linux/fs.h

// preadv2 and pwritev2 are the numbers of the system calls.
var preadv2, pwritev2 = func() (r, w uintptr) {
	if runtime.GOARCH == "amd64" {
		return 327, 328
	}
	return 286, 287 // of asm-generic/unistd.h
}()

// Read reads from off, or from the file's position if off is -1. EAGAIN means
// that it would have to wait.
func Read(fd int, p []byte, off int64) (int, syscall.Errno) {
	vec := vector(p)
	n, _, errno := syscall.Syscall6(preadv2, uintptr(fd), uintptr(unsafe.Pointer(&vec)), 1, uintptr(off), 0, rwfNowait)
	return result(n, errno)
}

// ReadUntold is Read of which Go's scheduler is not told: for data that is likely
// there, and little of it.
func ReadUntold(fd int, p []byte, off int64) (int, syscall.Errno) {
	vec := vector(p)
	n, _, errno := syscall.RawSyscall6(preadv2, uintptr(fd), uintptr(unsafe.Pointer(&vec)), 1, uintptr(off), 0, rwfNowait)
	return result(n, errno)
}

// Write is Read for writing.
func Write(fd int, p []byte, off int64) (int, syscall.Errno) {
	vec := vector(p)
	n, _, errno := syscall.Syscall6(pwritev2, uintptr(fd), uintptr(unsafe.Pointer(&vec)), 1, uintptr(off), 0, rwfNowait)
	return result(n, errno)
}

func vector(p []byte) syscall.Iovec {
	return syscall.Iovec{Base: unsafe.SliceData(p), Len: uint64(len(p))}
}

func result(n uintptr, errno syscall.Errno) (int, syscall.Errno) {
	if errno != 0 {
		return 0, errno
	}
	return int(n), 0
}
