package uring

import (
	"encoding/binary"
	"fmt"
	"time"

	"github.com/uring-go/uring/cgo"
	"github.com/uring-go/uring/internal/arena"
)

// An IDType says what the id given to [SQE.PrepWaitid] is.
type IDType uint32

// What to wait for.
const (
	PAll   IDType = cgo.PAll   // any child
	PPID   IDType = cgo.PPID   // the process id
	PPGID  IDType = cgo.PPGID  // any child in the process group id
	PPIDFD IDType = cgo.PPIDFD // the process that the descriptor id stands for
)

// A Siginfo is what [SQE.PrepWaitid] says about a child: a siginfo_t. Its fields:
//
//	Signo  int32  // SIGCHLD, or 0 if there was no child to report
//	Errno  int32
//	Code   int32  // CLD_EXITED, CLD_KILLED, …
//	PID    int32
//	UID    uint32
//	Status int32  // exit code or signal
type Siginfo = cgo.Siginfo

// PrepWaitid completes with 0 when a child process changes its state as options
// say, WEXITED for example: see waitid(2). info, which may be nil, gets what
// happened; it must stay reachable until the completion. Linux 6.7. See
// io_uring_prep_waitid(3).
func (s SQE) PrepWaitid(typ IDType, id int, info *Siginfo, options int) {
	s.prep(cgo.OpWaitid, 0, 0, uint32(typ), addressOf(s, info))
	s.SQE.FD = int32(id)
	s.FileIndex = uint32(options)
}

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
// when count other requests have completed, if count is not 0. When it expires, it
// ends a wait for more completions, see [Ring.SubmitAndWait]. See
// io_uring_prep_timeout(3).
func (s SQE) PrepTimeout(d time.Duration, count uint32, flags TimeoutFlags) {
	s.mustBe()
	s.ring.timed = true
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

// PollMask is a set of events as in poll(2). The kernel also takes the EPOLL flags
// of epoll_ctl(2).
type PollMask uint32

// The events of polls. PollErr, PollHup and PollRdHup are reported whether asked
// for or not.
const (
	PollIn    PollMask = cgo.PollIn    // there is something to read, or the end
	PollPri   PollMask = cgo.PollPri   // there are urgent bytes, or another exception
	PollOut   PollMask = cgo.PollOut   // there is room to write
	PollErr   PollMask = cgo.PollErr   // an error, or the reader of a pipe is gone
	PollHup   PollMask = cgo.PollHup   // both directions are closed
	PollRdHup PollMask = cgo.PollRdHup // the peer sends nothing more
)

// PrepPollAdd completes when fd is ready for one of the events; the result is
// the [PollMask] of those that occurred. [PollErr], [PollHup] and [PollRdHup] count
// without being asked for, so events may be 0. See io_uring_prep_poll_add(3).
func (s SQE) PrepPollAdd(fd FD, events PollMask) {
	s.prep(cgo.OpPollAdd, fd, 0, 0, 0)
	s.OpFlags = pollWord(events)
}

// PrepPollAddMultishot completes each time that fd becomes ready, until a
// completion comes without [CQE.More]. Linux 5.13. See
// io_uring_prep_poll_multishot(3).
func (s SQE) PrepPollAddMultishot(fd FD, events PollMask) {
	s.PrepPollAdd(fd, events)
	s.Len = cgo.PollAddMulti
}

// PrepPollRemove ends the poll request with this user data. See
// io_uring_prep_poll_remove(3).
func (s SQE) PrepPollRemove(userData uint64) {
	s.prep(cgo.OpPollRemove, -1, userData, 0, 0)
}

// PollUpdateFlags say what of a poll request changes, and how it goes on.
type PollUpdateFlags uint32

// The flags of [SQE.PrepPollUpdate].
const (
	// PollUpdateEvents changes the events.
	PollUpdateEvents PollUpdateFlags = cgo.PollUpdateEvents
	// PollUpdateUserData changes the user data.
	PollUpdateUserData PollUpdateFlags = cgo.PollUpdateUserData
	// PollAddMulti keeps a multishot request one when its events change.
	PollAddMulti PollUpdateFlags = cgo.PollAddMulti
)

// PrepPollUpdate changes the events of the poll request with the user data old,
// its user data, or both, as flags say. The result is 0, ENOENT if there is
// none, or EALREADY if it is just completing. Linux 5.13. See
// io_uring_prep_poll_update(3).
//
// Some kernels forget the request if one of the new events is there already: it
// never completes, cannot be cancelled, and keeps what the kernel has of the ring
// for good. 6.12.43 to 6.12.57, 6.16.12 and 6.17.13 do so, 6.1.176, 6.12.73 and
// 6.18.15 do not. [KernelBugs] cannot tell without losing a ring in that way. On
// kernels before 6.18 rather remove the request, and prepare another.
func (s SQE) PrepPollUpdate(old, userData uint64, events PollMask, flags PollUpdateFlags) {
	s.prep(cgo.OpPollRemove, -1, old, uint32(flags), userData)
	s.OpFlags = pollWord(events)
}

// pollWord swaps the halves on big-endian machines, as the kernel wants it.
func pollWord(events PollMask) uint32 {
	if binary.NativeEndian.Uint16([]byte{1, 0}) == 1 {
		return uint32(events)
	}
	return uint32(events)<<16 | uint32(events)>>16
}

// An EpollEvent is a struct epoll_event, laid out as [syscall.EpollEvent] is, with
// the fields that programs use, and padding that depends on the processor:
//
//	Events uint32 // EPOLLIN and the like
//	Fd     int32
type EpollEvent = cgo.EpollEvent

// PrepEpollCtl adds a descriptor to the epoll instance epfd, changes what it
// waits for, or removes it: op is EPOLL_CTL_ADD, EPOLL_CTL_MOD or
// EPOLL_CTL_DEL. Both are ordinary descriptors. ev is copied. A ring can do all
// that epoll does: this is for programs that have one already. See
// io_uring_prep_epoll_ctl(3).
func (s SQE) PrepEpollCtl(epfd, op, fd int, ev EpollEvent) {
	m := s.slotMemory()
	copy(m, ev.Bytes())
	s.prep(cgo.OpEpollCtl, 0, arena.Addr(m), uint32(op), uint64(uint32(fd)))
	s.SQE.FD = int32(epfd)
}

// PrepEpollWait waits for events of the epoll instance fd; the result is how
// many came. events must stay reachable until the completion. Linux 6.15. See
// io_uring_prep_epoll_wait(3).
func (s SQE) PrepEpollWait(fd FD, events []EpollEvent) {
	s.prep(cgo.OpEpollWait, fd, elements(s, events), uint32(len(events)), 0)
}

// FutexFlags say what kind of futex it is.
type FutexFlags uint32

// FutexPrivate is a futex in memory that no other process uses: it is faster.
const FutexPrivate FutexFlags = cgo.Futex2Private

// FutexMatchAny, as mask, matches everything.
const FutexMatchAny = ^uint32(0)

// PrepFutexWait completes with 0 when a wake on addr has a bit in common with
// mask. If *addr is not val when the request starts it fails with EAGAIN at
// once. addr must stay reachable until the completion. Linux 6.7. See
// io_uring_prep_futex_wait(3).
func (s SQE) PrepFutexWait(addr *uint32, val, mask uint32, flags FutexFlags) {
	s.prepFutex(cgo.OpFutexWait, addr, val, mask, flags)
}

// PrepFutexWake wakes up to n waiters on addr whose mask has a bit in common
// with mask, whether requests or threads. The result is how many. Linux 6.7. See
// io_uring_prep_futex_wake(3).
func (s SQE) PrepFutexWake(addr *uint32, n, mask uint32, flags FutexFlags) {
	s.prepFutex(cgo.OpFutexWake, addr, n, mask, flags)
}

func (s SQE) prepFutex(op uint8, addr *uint32, val, mask uint32, flags FutexFlags) {
	s.prep(op, 0, addressOf(s, addr), 0, uint64(val))
	s.SQE.FD = int32(flags | cgo.Futex2SizeU32)
	s.Addr3 = uint64(mask)
}

// A FutexWaiter is one futex of several to wait for.
type FutexWaiter struct {
	Addr  *uint32
	Val   uint32 // what *Addr must be
	Flags FutexFlags
}

const maxFutexes = 128 // the kernel's FUTEX_WAITV_MAX

// PrepFutexWaitv completes when one of 1 to 128 futexes is woken; the result is
// its index. If one does not have its value when the request starts it fails
// with EAGAIN at once. waiters is copied; what the addresses point at must stay
// reachable until the completion. Linux 6.7. See io_uring_prep_futex_waitv(3).
func (s SQE) PrepFutexWaitv(waiters []FutexWaiter) error {
	if n := len(waiters); n < 1 || n > maxFutexes {
		return s.refuse(fmt.Errorf("uring: wait for %d futexes, want 1 to %d", n, maxFutexes))
	}
	p := s.kept()
	for _, w := range waiters { // struct futex_waitv
		*p = binary.NativeEndian.AppendUint64(*p, uint64(w.Val))
		*p = binary.NativeEndian.AppendUint64(*p, addressOf(s, w.Addr))
		*p = binary.NativeEndian.AppendUint32(*p, uint32(w.Flags|cgo.Futex2SizeU32))
		*p = binary.NativeEndian.AppendUint32(*p, 0)
	}
	s.prep(cgo.OpFutexWaitv, 0, arena.Addr(*p), uint32(len(waiters)), 0)
	return nil
}
