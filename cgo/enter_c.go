//go:build linux && cgo

package cgo

/*
#include "shim.h"

#cgo noescape io_uring_submit
#cgo nocallback io_uring_submit
#cgo noescape io_uring_submit_and_wait
#cgo nocallback io_uring_submit_and_wait
#cgo noescape io_uring_submit_and_get_events
#cgo nocallback io_uring_submit_and_get_events
#cgo noescape io_uring_get_events
#cgo nocallback io_uring_get_events
#cgo noescape uring_submit_and_wait_timeout
#cgo nocallback uring_submit_and_wait_timeout
*/
import "C"

// The methods here let liburing submit and wait. Those in enter.go do the same
// without a call into C, and a test compares them with these. The build tag
// uring_c_enter puts these in their place.

// SubmitC is io_uring_submit.
func (r *Ring) SubmitC() int { return int(C.io_uring_submit(r.c)) }

// SubmitAndGetEventsC is io_uring_submit_and_get_events.
func (r *Ring) SubmitAndGetEventsC() int { return int(C.io_uring_submit_and_get_events(r.c)) }

// SubmitAndWaitC is io_uring_submit_and_wait.
func (r *Ring) SubmitAndWaitC(n uint32) int {
	return int(C.io_uring_submit_and_wait(r.c, C.unsigned(n)))
}

// SubmitAndWaitTimeoutC is io_uring_submit_and_wait_timeout, or
// io_uring_submit_and_wait_min_timeout if minWaitUsec is not 0.
func (r *Ring) SubmitAndWaitTimeoutC(n uint32, nsec int64, minWaitUsec uint32) int {
	return int(C.uring_submit_and_wait_timeout(r.c, C.unsigned(n),
		C.int64_t(nsec/1e9), C.int64_t(nsec%1e9), C.unsigned(minWaitUsec)))
}

// GetEventsC is io_uring_get_events.
func (r *Ring) GetEventsC() int { return int(C.io_uring_get_events(r.c)) }
