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
func Read(fd int, p []byte, off int64) (int, syscall.Errno) { return call(preadv2, fd, p, off) }

// Write is Read for writing.
func Write(fd int, p []byte, off int64) (int, syscall.Errno) { return call(pwritev2, fd, p, off) }

func call(trap uintptr, fd int, p []byte, off int64) (int, syscall.Errno) {
	vec := syscall.Iovec{Base: unsafe.SliceData(p), Len: uint64(len(p))}
	n, _, errno := syscall.Syscall6(trap, uintptr(fd), uintptr(unsafe.Pointer(&vec)), 1, uintptr(off), 0, rwfNowait)
	if errno != 0 {
		return 0, errno
	}
	return int(n), 0
}
