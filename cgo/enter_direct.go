//go:build linux && cgo && !uring_c_enter

package cgo

// EntersThroughC says that entries into the kernel are calls into C, which
// Ring.Enters does not count.
const EntersThroughC = false

// Submit is io_uring_submit.
func (r *Ring) Submit() int { return r.submit(0) }

// SubmitShared is Submit for a ring that goroutines share under a lock, so that
// nobody else runs before the call. Go's scheduler is told of it if tell is set.
func (r *Ring) SubmitShared(tell bool) int { return r.submitShared(tell) }

// SubmitAndGetEvents is io_uring_submit_and_get_events.
func (r *Ring) SubmitAndGetEvents() int { return r.submitFor(alone, 0, true) }

// SubmitAndWait is io_uring_submit_and_wait.
func (r *Ring) SubmitAndWait(n uint32) int {
	rc, done := r.submitAwake(n)
	if done {
		return rc
	}
	return either(rc, r.submit(n))
}

// SubmitAndWaitTimeout is io_uring_submit_and_wait_timeout, or
// io_uring_submit_and_wait_min_timeout if minWaitUsec is not 0.
func (r *Ring) SubmitAndWaitTimeout(n uint32, nsec int64, minWaitUsec uint32) int {
	rc, done := r.submitAwake(n)
	if done {
		return rc
	}
	return either(rc, r.submitTimeout(n, nsec, minWaitUsec))
}

// GetEvents is io_uring_get_events.
func (r *Ring) GetEvents() int { return r.getEvents() }

// either returns the result of a call that submits and then waits: the number
// of entries if some were submitted, so that an error of the wait does not hide
// it, else the result of the wait.
func either(submitted, waited int) int {
	if submitted > 0 {
		return submitted
	}
	return waited
}
