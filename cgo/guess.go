//go:build linux && cgo

package cgo

// #include "shim.h"
import "C"

import "syscall"

// A guess predicts whether requests complete as they are submitted, so that a wait
// for them does not sleep. If they are of the kind that [Ring.brief] knows, one
// short call does all, and Go's scheduler need not be told of it.
type guess struct {
	left uint8 // calls to come that are taken to sleep
	wait uint8 // what left was set to by the last wrong guess
}

// submitAwake is submit for n completions that likely come with the call. done is
// false if they must be waited for; if rc is above 0, the entries were submitted
// nevertheless.
//
// It is one long function on purpose: entering the kernel clears the return
// predictor, so every return costs a misprediction.
func (r *Ring) submitAwake(n uint32) (rc int, done bool) {
	if n == 0 || !r.likely(n) {
		return 0, false
	}
	r.Enters++
	taken, _, errno := syscall.RawSyscall6(C.__NR_io_uring_enter, uintptr(r.c.enter_ring_fd),
		uintptr(r.flush()), 0, uintptr(r.enterFlags()), 0, sigsetSize)
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

// likely reports whether to guess that n completions come without sleep.
func (r *Ring) likely(n uint32) bool {
	queued := r.SQReady()
	if queued == 0 || !r.brief(queued) {
		return false
	}
	if head, tail := r.CQ(); tail-head >= n {
		return true
	}
	if r.guess.left > 0 { // wrong before
		r.guess.left--
		return false
	}
	return true
}
