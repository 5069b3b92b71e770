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

import "unsafe"

// Wait is one of io_uring_submit_and_wait_timeout, io_uring_wait_cqes and their
// …_min_timeout forms.
func (r *Ring) Wait(w Wait) int {
	return int(C.uring_wait(r.c, (*C.struct_uring_wait)(unsafe.Pointer(&w))))
}

// SubmitAndWaitReg is io_uring_submit_and_wait_reg.
func (r *Ring) SubmitAndWaitReg(n uint32, index int) int {
	return int(C.uring_submit_and_wait_reg(r.c, C.unsigned(n), C.int(index)))
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
