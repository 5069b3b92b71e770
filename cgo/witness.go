//go:build linux && cgo

package cgo

import "syscall"

// Witness returns two descriptors. The stream of read ends when the last
// reference to held is gone, and the files that were let go before it or with
// it are closed.
//
// A thread of the kernel closes files later, starting with the one it let go
// last. So held is a socket with a message that nobody takes, and the message
// has the other end of read: closing held lets go of that end, which is closed
// with the files that come after.
func Witness() (held, read, rc int) {
	var p, s [2]int
	if err := syscall.Pipe2(p[:], syscall.O_CLOEXEC|syscall.O_NONBLOCK); err != nil {
		return -1, -1, -int(err.(syscall.Errno))
	}
	fail := func(err error) (int, int, int) {
		for _, fd := range p {
			_ = syscall.Close(fd)
		}
		return -1, -1, -int(err.(syscall.Errno))
	}
	s, err := syscall.Socketpair(syscall.AF_UNIX, syscall.SOCK_DGRAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		return fail(err)
	}
	err = syscall.Sendmsg(s[0], []byte{0}, syscall.UnixRights(p[1]), nil, syscall.MSG_DONTWAIT)
	_ = syscall.Close(s[0])
	if err != nil {
		_ = syscall.Close(s[1])
		return fail(err)
	}
	_ = syscall.Close(p[1])
	return s[1], p[0], 0
}
