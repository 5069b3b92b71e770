package uring

import (
	"encoding/binary"
	"time"

	"github.com/uring-go/uring/cgo"
	"github.com/uring-go/uring/internal/arena"
)

// TimeoutFlags change what a timeout means.
type TimeoutFlags uint32

// The flags of timeouts.
const (
	// TimeoutAbs makes the duration a point in time: how long after the clock's
	// zero. That is the start of the system, unless TimeoutRealtime is set too:
	// then it is 1970, and the point time.Duration(t.UnixNano()) for a Time t.
	TimeoutAbs TimeoutFlags = cgo.TimeoutAbs
	// TimeoutBoottime counts time asleep too. Linux 5.15.
	TimeoutBoottime TimeoutFlags = cgo.TimeoutBoottime
	// TimeoutRealtime uses the clock that can be set. Linux 5.15.
	TimeoutRealtime TimeoutFlags = cgo.TimeoutRealtime
	// TimeoutETimeSuccess makes an expired timeout a success, for links and
	// SkipSuccess. Linux 5.16.
	TimeoutETimeSuccess TimeoutFlags = cgo.TimeoutETimeSuccess
	// TimeoutMultishot makes the timeout repeat, count times or, if that is
	// 0, until cancelled. Linux 6.4.
	TimeoutMultishot TimeoutFlags = cgo.TimeoutMultishot
)

// PrepTimeout completes with ETIME after d, at once if d is negative, or with 0
// when count other requests have completed, if count is not 0. See
// io_uring_prep_timeout(3).
func (s SQE) PrepTimeout(d time.Duration, count uint32, flags TimeoutFlags) {
	s.prep(cgo.OpTimeout, -1, s.timespec(d), 1, uint64(count))
	s.OpFlags = uint32(flags)
}

// PrepLinkTimeout cancels the request before it, which must have [Link], after
// d. See io_uring_prep_link_timeout(3).
func (s SQE) PrepLinkTimeout(d time.Duration, flags TimeoutFlags) {
	s.prep(cgo.OpLinkTimeout, -1, s.timespec(d), 1, 0)
	s.OpFlags = uint32(flags)
}

// PrepTimeoutRemove ends the timeout with this user data, which completes with
// ECANCELED. The result is 0, ENOENT if there is none, or EBUSY if it is just
// going off. See io_uring_prep_timeout_remove(3).
func (s SQE) PrepTimeoutRemove(userData uint64) {
	s.prep(cgo.OpTimeoutRemove, -1, userData, 0, 0)
}

// PrepTimeoutUpdate makes the timeout with this user data expire after d from
// now, or at d with [TimeoutAbs]. The clock stays the same: of the flags only
// TimeoutAbs has a meaning, and those that name the clock again are allowed.
// The result is 0, ENOENT if there is none, or EALREADY if it is just going off.
// Linux 5.11. See io_uring_prep_timeout_update(3).
func (s SQE) PrepTimeoutUpdate(userData uint64, d time.Duration, flags TimeoutFlags) {
	s.prep(cgo.OpTimeoutRemove, -1, userData, 0, s.timespec(d))
	s.OpFlags = uint32(flags) | cgo.TimeoutUpdate
}

// PrepLinkTimeoutUpdate is [SQE.PrepTimeoutUpdate] for a timeout made with
// [SQE.PrepLinkTimeout]. Linux 5.15. See io_uring_prep_timeout_update(3).
func (s SQE) PrepLinkTimeoutUpdate(userData uint64, d time.Duration, flags TimeoutFlags) {
	s.PrepTimeoutUpdate(userData, d, flags)
	s.OpFlags |= cgo.LinkTimeoutUpdate
}

func (s SQE) timespec(d time.Duration) uint64 {
	d = max(d, 0) // the kernel takes no negative ones
	m := s.slotMemory()
	binary.NativeEndian.PutUint64(m[0:], uint64(d/time.Second))
	binary.NativeEndian.PutUint64(m[8:], uint64(d%time.Second))
	return arena.Addr(m)
}
