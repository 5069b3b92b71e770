//go:build linux && cgo && uring_c_enter

package cgo

// EntersThroughC says that entries into the kernel are calls into C, which
// Ring.Enters does not count.
const EntersThroughC = true

// With the build tag uring_c_enter all entries into the kernel go through
// liburing.

// Submit is io_uring_submit.
func (r *Ring) Submit() int { return r.SubmitC() }

// SubmitShared is Submit for a ring that goroutines share under a lock.
func (r *Ring) SubmitShared(bool) int { return r.SubmitC() }

// SubmitAndGetEvents is io_uring_submit_and_get_events.
func (r *Ring) SubmitAndGetEvents() int { return r.SubmitAndGetEventsC() }

// SubmitAndWait is io_uring_submit_and_wait.
func (r *Ring) SubmitAndWait(n uint32) int { return r.SubmitAndWaitC(n) }

// SubmitAndWaitTimeout is io_uring_submit_and_wait_timeout, or
// io_uring_submit_and_wait_min_timeout if minWaitUsec is not 0.
func (r *Ring) SubmitAndWaitTimeout(n uint32, nsec int64, minWaitUsec uint32) int {
	return r.SubmitAndWaitTimeoutC(n, nsec, minWaitUsec)
}

// GetEvents is io_uring_get_events.
func (r *Ring) GetEvents() int { return r.GetEventsC() }
