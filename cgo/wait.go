//go:build linux && cgo

package cgo

/*
#include "wait.h"

#cgo noescape uring_wait
#cgo nocallback uring_wait
#cgo noescape uring_submit_and_wait_reg
#cgo nocallback uring_submit_and_wait_reg
*/
import "C"

import (
	"syscall"
	"unsafe"
)

// Wait is one of io_uring_submit_and_wait_timeout, io_uring_wait_cqes and their
// …_min_timeout forms.
func (r *Ring) Wait(w Wait) int {
	return int(C.uring_wait(r.c, (*C.struct_uring_wait)(unsafe.Pointer(&w))))
}

// SubmitAndWaitReg is io_uring_submit_and_wait_reg.
func (r *Ring) SubmitAndWaitReg(n uint32, index int) int {
	return int(C.uring_submit_and_wait_reg(r.c, C.unsigned(n), C.int(index)))
}

// SubmitAndWaitUntil is io_uring_submit_and_wait_timeout with a point in time, nsec
// nanoseconds after the zero of the ring's clock, for which liburing has no helper.
func (r *Ring) SubmitAndWaitUntil(n uint32, nsec int64) int {
	return r.submitTimed(n, nsec, 0, EnterAbsTimer)
}

// ThreadSignals returns the signals that the calling thread blocks, bit 0 for
// signal 1.
func ThreadSignals() (mask uint64) {
	syscall.RawSyscall6(syscall.SYS_RT_SIGPROCMASK, C.SIG_SETMASK, 0, uintptr(unsafe.Pointer(&mask)), sigsetSize, 0, 0)
	return mask
}

// ClockNow returns how many nanoseconds have passed since a clock's zero.
func ClockNow(id uint32) int64 {
	var ts syscall.Timespec
	syscall.RawSyscall(syscall.SYS_CLOCK_GETTIME, uintptr(id), uintptr(unsafe.Pointer(&ts)), 0)
	return ts.Nano()
}

// WaitSQ is io_uring_sqring_wait.
func (r *Ring) WaitSQ() int { return int(C.io_uring_sqring_wait(r.c)) }

// SetIOWait is io_uring_set_iowait.
func (r *Ring) SetIOWait(on bool) int { return int(C.uring_set_iowait(r.c, flag(on))) }

// As in layout.go.
const (
	_ = -(unsafe.Sizeof(Wait{}) ^ uintptr(C.sizeof_struct_uring_wait))
	_ = -(unsafe.Sizeof(RegWait{}) ^ uintptr(C.sizeof_struct_io_uring_reg_wait))
	_ = -(unsafe.Offsetof(RegWait{}.SigMask) ^ uintptr(C.offsetof_reg_wait_sigmask))
)
