package core

import "syscall"

// dup returns a duplicate of a descriptor that does not block, as os.NewFile
// wants it for the poller. The flag belongs to the ring, which does not look at
// it.
func dup(fd int) (int, error) {
	n, _, errno := syscall.Syscall(syscall.SYS_FCNTL, uintptr(fd), syscall.F_DUPFD_CLOEXEC, 0)
	if errno != 0 {
		return 0, errno
	}
	if err := syscall.SetNonblock(int(n), true); err != nil {
		_ = syscall.Close(int(n))
		return 0, err
	}
	return int(n), nil
}
