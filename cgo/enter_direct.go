//go:build linux && cgo && !uring_c_enter

package cgo

// Submit is io_uring_submit.
func (r *Ring) Submit() int { return r.submit(0) }

// SubmitAndWait is io_uring_submit_and_wait.
func (r *Ring) SubmitAndWait(n uint32) int { return r.submit(n) }

// SubmitAndWaitTimeout is io_uring_submit_and_wait_timeout, or
// io_uring_submit_and_wait_min_timeout if minWaitUsec is not 0.
func (r *Ring) SubmitAndWaitTimeout(n uint32, nsec int64, minWaitUsec uint32) int {
	return r.submitTimeout(n, nsec, minWaitUsec)
}

// GetEvents is io_uring_get_events.
func (r *Ring) GetEvents() int { return r.getEvents() }
