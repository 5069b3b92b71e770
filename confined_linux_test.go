package uring

import (
	"errors"
	"syscall"
	"unsafe"
)

// refusing makes system calls fail with errno, as a seccomp profile does, on
// the calling thread.
func refusing(errno syscall.Errno, calls ...uint32) error {
	const (
		setNoNewPrivs, setSeccomp, filter = 38, 22, 2

		load, jumpIfEqual, ret = 0x20, 0x15, 0x06
		fail, allow            = 0x00050000, 0x7fff0000
	)
	program := []syscall.SockFilter{{Code: load}} // the number of the call
	for i, nr := range calls {
		program = append(program, syscall.SockFilter{Code: jumpIfEqual, K: nr, Jt: uint8(len(calls) - i)})
	}
	program = append(program,
		syscall.SockFilter{Code: ret, K: allow},
		syscall.SockFilter{Code: ret, K: fail | uint32(errno)})
	prog := syscall.SockFprog{Len: uint16(len(program)), Filter: &program[0]}
	return errors.Join(
		prctl(setNoNewPrivs, 1, 0),
		prctl(setSeccomp, filter, uintptr(unsafe.Pointer(&prog))))
}

func prctl(option, a, b uintptr) error {
	if _, _, errno := syscall.RawSyscall6(syscall.SYS_PRCTL, option, a, b, 0, 0, 0); errno != 0 {
		return errno
	}
	return nil
}
