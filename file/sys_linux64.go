//go:build linux && !386 && !arm && !mips && !mipsle

package file

import "syscall"

func fadvise(fd int, off, n int64, advice int) error {
	if _, _, errno := syscall.Syscall6(syscall.SYS_FADVISE64, uintptr(fd), uintptr(off), uintptr(n), uintptr(advice), 0, 0); errno != 0 {
		return errno
	}
	return nil
}
