//go:build linux && cgo

package cgo

// #include "shim.h"
import "C"

import "syscall"

// A guess says whether a wait will find its completions without sleeping. For a
// call that does not sleep Go's scheduler need not be told that the thread is in
// the kernel: that takes time twice, and it makes the scheduler's monitor look
// many times a millisecond whether a loop that is always in the kernel comes
// back.
type guess struct {
	off  bool
	left uint8 // calls to come that are taken to sleep
	wait uint8 // what left was set to by the last wrong guess
}

// submitAwake is submit for n completions that are there, or likely come of what
// is submitted. done is false if it must be waited for them; what it was asked
// to submit has been submitted all the same, if rc is above 0.
//
// It has all in one place: what comes back from the kernel finds the
// processor's memory of return addresses gone, and each return costs a wrong
// prediction.
func (r *Ring) submitAwake(n uint32) (rc int, done bool) {
	if n == 0 || r.guess.off || !r.likely(n) {
		return 0, false
	}
	r.Enters++
	taken, _, errno := syscall.RawSyscall6(C.__NR_io_uring_enter, uintptr(r.c.enter_ring_fd),
		uintptr(r.flush()), 0, uintptr(r.enterFlags()|EnterGetEvents), 0, sigsetSize)
	if errno != 0 {
		return -int(errno), true
	}
	if head, tail := r.CQ(); tail-head >= n || r.SQReady() > 0 {
		r.guess.wait = 0
		return int(taken), true
	}
	r.guess.wait = min(2*r.guess.wait+1, 127)
	r.guess.left = r.guess.wait
	return int(taken), false
}

// likely says whether to guess that n completions come without sleep.
func (r *Ring) likely(n uint32) bool {
	if head, tail := r.CQ(); tail-head >= n {
		return true
	}
	if r.guess.left > 0 { // wrong before
		r.guess.left--
		return false
	}
	return r.SQReady() > 0 || r.SQFlags()&(SQCQOverflow|SQTaskrun) != 0
}
