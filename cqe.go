package uring

import (
	"fmt"
	"iter"
	"syscall"

	"github.com/uring-go/uring/cgo"
	"github.com/uring-go/uring/internal/invariant"
)

// A CQE is one completion: a copy, valid for as long as you keep it.
type CQE struct {
	// UserData is what the request was given, see [Token] and
	// io_uring_cqe_get_data64(3).
	UserData uint64
	// Res is the result: a count, a descriptor, or a negative errno. In a
	// notification (see [CQE.Notif]) it is a set of flags.
	Res int32
	// Flags are the IORING_CQE_F_ bits; the methods below read them.
	Flags uint32

	// order is the completion's number among those that brought bytes to one
	// BufRing, from 1 on, and 0 for others.
	order uint32
}

func newCQE(e cgo.CQE) CQE { return CQE{UserData: e.UserData, Res: e.Res, Flags: e.Flags} }

// Equal reports whether d has the same user data, result and flags.
func (c CQE) Equal(d CQE) bool {
	return c.UserData == d.UserData && c.Res == d.Res && c.Flags == d.Flags
}

// Err returns the error of a failed request, a [syscall.Errno], or nil. It
// does not allocate. A notification never has an error.
func (c CQE) Err() error {
	if c.Res >= 0 || c.Notif() {
		return nil
	}
	return syscall.Errno(-c.Res)
}

// More reports whether the request will post further completions: a multishot
// request goes on, or the notification of a zero-copy send is still to come.
// A request is over with its first completion without it.
func (c CQE) More() bool { return c.Flags&cgo.CQEFMore != 0 }

// BufferID returns the buffer that the kernel picked, the first one of a
// bundle. ok is false if it picked none. [BufRing.Consume] and
// [BufRing.Segments] turn it into bytes.
func (c CQE) BufferID() (id uint16, ok bool) {
	return uint16(c.Flags >> cgo.CQEBufferShift), c.Flags&cgo.CQEFBuffer != 0
}

// BufferMore reports whether the kernel keeps the buffer and fills the rest of it
// later: incremental buffer rings only. Some kernels set it wrongly; [BufRing]
// compares it with what the kernel has left of the buffer.
func (c CQE) BufferMore() bool { return c.Flags&cgo.CQEFBufMore != 0 }

// SockNonEmpty reports whether the socket held more data after this receive. The
// end of the stream counts as something to read, too.
func (c CQE) SockNonEmpty() bool { return c.Flags&cgo.CQEFSockNonEmpty != 0 }

// Notif reports whether this is the notification of a zero-copy send: the kernel
// does not use the request's memory any more.
func (c CQE) Notif() bool { return c.Flags&cgo.CQEFNotif != 0 }

// Copied reports whether the kernel copied the data after all: in a notification
// whose send had [ReportUsage].
func (c CQE) Copied() bool {
	return c.Notif() && uint32(c.Res)&cgo.NotifUsageZCCopied != 0
}

// Big reports whether the completion has 32 bytes and so takes two slots of the
// queue, on a ring with [SetupCQEMixed]. On a ring with [SetupCQE32] all have.
//
//uring:covers io_uring_cqe_nr
func (c CQE) Big() bool { return c.Flags&cgo.CQEF32 != 0 }

// Token returns UserData as a [Token].
func (c CQE) Token() Token { return Token(c.UserData) }

// String returns what there is to know about a completion, such as "user data
// 0x7, result 5, buffer 3, more".
func (c CQE) String() string {
	s := fmt.Sprintf("user data %#x, result %d", c.UserData, c.Res)
	if err := c.Err(); err != nil {
		s += fmt.Sprintf(" (%v)", err)
	}
	if id, ok := c.BufferID(); ok {
		s += fmt.Sprintf(", buffer %d", id)
	}
	for _, f := range []struct {
		flag uint32
		name string
	}{
		{cgo.CQEFBufMore, "buffer kept"},
		{cgo.CQEFMore, "more"},
		{cgo.CQEFSockNonEmpty, "socket not empty"},
		{cgo.CQEFNotif, "notification"},
	} {
		if c.Flags&f.flag != 0 {
			s += ", " + f.name
		}
	}
	return s
}

// Ready returns how many completions are waiting to be handled. See
// io_uring_cq_ready(3).
func (r *Ring) Ready() int {
	if r.gone() {
		return 0
	}
	return int(r.ready())
}

func (r *Ring) ready() uint32 {
	_, tail := r.q.CQ()
	return tail - r.head
}

// Overflowed reports whether the kernel holds completions for which the completion
// queue had no room. None is lost: handling completions lets them in. See
// io_uring_cq_has_overflow(3).
//
//uring:covers IO_URING_READ_ONCE
func (r *Ring) Overflowed() bool {
	return !r.gone() && r.q.SQFlags()&cgo.SQCQOverflow != 0
}

// Dropped returns what the kernel counted since the ring was opened: entries of the
// submission queue that it dropped as invalid, which needs an index array that the
// package does not write, and completions that it had no room for and no memory to
// keep. Both are 0 as long as nothing is lost; a wait after a lost completion fails
// with EBADR. They are the counters dropped and overflow of io_uring_setup(2).
func (r *Ring) Dropped() (sqes, cqes uint32) {
	if r.gone() {
		return 0, 0
	}
	return r.q.Dropped()
}

// Completions yields the completions that are ready and takes each from the
// queue as it is yielded; those after a break stay. Calls that enter the
// kernel are allowed in the loop. Completions never waits, but it enters the
// kernel for what is ready there only: completion work put off by
// [SetupDeferTaskrun] or [SetupCoopTaskrun], and completions that had
// overflowed. Some of it may stay there, but a call that yields nothing found
// none. It skips entries that only fill a gap of a queue with [SetupCQEMixed].
// See io_uring_for_each_cqe(3), io_uring_cqe_seen(3) and io_uring_get_events(3).
//
//uring:covers io_uring_cqe_iter_init io_uring_cqe_iter_next io_uring_skip_cqe
func (r *Ring) Completions() iter.Seq[CQE] {
	return func(yield func(CQE) bool) {
		if r.gone() || !r.pull() {
			return
		}
		for {
			// The loop may take completions by other calls, even beyond tail.
			for _, tail := r.q.CQ(); int32(tail-r.head) > 0; {
				e, next, ok := r.q.OneSizeCQE(r.head), r.head+1, true
				if r.q.Mixed() {
					e, next, ok = r.q.CQE(r.head)
				}
				c := newCQE(e)
				if c.Flags&cgo.CQEFBuffer != 0 {
					c.order = r.see(c, r.head)
				}
				r.head = next
				if ok {
					r.noteTaken(c)
				}
				if ok && !yield(c) {
					return
				}
				if r.closed {
					return
				}
			}
			r.syncHead()
			if !r.Overflowed() || !r.fetch() {
				return
			}
		}
	}
}

// noteTaken counts a completion that was taken from the queue.
func (r *Ring) noteTaken(c CQE) {
	r.end(c.Flags)
	if invariant.On {
		r.completed(c)
	}
}

// pull lets completions into an empty queue that wait in the kernel. It
// returns false if there are none.
func (r *Ring) pull() bool {
	r.checkHeld()
	return r.ready() > 0 || r.fetch()
}

// fetch enters the kernel for completions that are ready there only, and reports
// whether some came. If none came, there is no deferred work left either: what the
// kernel defers from then on makes the ring's eventfd readable, which work that is
// added to other work does not. An error shows again, and is reported, at the next
// submit or wait.
func (r *Ring) fetch() bool {
	const waiting = cgo.SQTaskrun | cgo.SQCQOverflow
	if r.q.SQFlags()&waiting == 0 && r.flags&SetupIOPoll == 0 {
		return false
	}
	r.syncHead()
	before := r.ready()
	rc := r.drv.GetEvents()
	if r.ready() > before {
		return true
	}
	if rc < 0 && rc != -int(syscall.EINTR) || r.flags&SetupDeferTaskrun == 0 || r.q.SQFlags()&cgo.SQTaskrun == 0 {
		return false
	}
	// The kernel ran part of the deferred work, and it led to nothing. The flag
	// does not tell whether there is more: the kernel may set it late, when the
	// work has been run already. A wait whose time is up at once ends with a
	// completion, or when there is no more work.
	afterSignals(func() int { return r.drv.Wait(cgo.Wait{N: before + 1}) })
	r.skipFillers()
	return r.ready() > before
}

// Peek copies ready completions to dst and returns their number. They stay in
// the queue until [Ring.Advance]. It enters the kernel only if there are none.
// See io_uring_peek_batch_cqe(3) and io_uring_peek_cqe(3).
//
//uring:covers __io_uring_peek_cqe
func (r *Ring) Peek(dst []CQE) int {
	if r.gone() || !r.pull() {
		return 0
	}
	n := 0
	_, tail := r.q.CQ()
	for i := r.head; i != tail && n < len(dst); {
		e, next, ok := r.q.CQE(i)
		if ok {
			dst[n] = newCQE(e)
			dst[n].order = r.see(dst[n], i)
			n++
		}
		i = next
	}
	return n
}

// PeekBig is [Ring.Peek] for rings with [SetupCQE32] or [SetupCQEMixed]: it also
// copies the second 16 bytes of each completion, all zero for those that have none,
// to second. It shows as many as the shorter of both has room for.
func (r *Ring) PeekBig(dst []CQE, second [][2]uint64) int {
	n := r.Peek(dst[:min(len(dst), len(second))])
	if n == 0 {
		return 0
	}
	at := r.head
	for i := 0; i < n; {
		_, next, ok := r.q.CQE(at)
		if ok {
			second[i] = r.secondHalf(dst[i], next)
			i++
		}
		at = next
	}
	return n
}

// Advance takes n completions that [Ring.Peek] showed from the queue. See
// io_uring_cq_advance(3).
func (r *Ring) Advance(n int) {
	if r.gone() {
		return
	}
	for _, tail := r.q.CQ(); n > 0 && r.head != tail; {
		e, next, ok := r.q.CQE(r.head)
		if ok {
			c := newCQE(e)
			r.see(c, r.head)
			r.noteTaken(c)
			n--
		}
		r.head = next
	}
	r.syncHead()
}

// skipFillers follows liburing, which takes entries that only fill a gap from
// the completion queue when it waits.
func (r *Ring) skipFillers() {
	if head, _ := r.q.CQ(); int32(head-r.head) > 0 {
		r.head = head
	}
}

func (r *Ring) syncHead() {
	if head, _ := r.q.CQ(); head != r.head {
		r.q.SetCQHead(r.head)
	}
	if int32(r.head-r.noted) > 0 {
		r.noted = r.head
	}
}

// CQESize returns the bytes of a completion in the queue of a ring with these
// flags. With [SetupCQEMixed] it is the size of a slot, of which a completion
// that is [CQE.Big] takes two.
//
//uring:covers io_uring_cqe_shift io_uring_cqe_shift_from_flags
func (f SetupFlags) CQESize() int {
	if f&SetupCQE32 != 0 {
		return 32
	}
	return 16
}

// CompletionsBig is [Ring.Completions] for rings with [SetupCQE32] or
// [SetupCQEMixed]: it also yields the second 16 bytes of each completion, all
// zero for those that have none.
func (r *Ring) CompletionsBig() iter.Seq2[CQE, [2]uint64] {
	return func(yield func(CQE, [2]uint64) bool) {
		for c := range r.Completions() {
			if !yield(c, r.secondHalf(c, r.head)) {
				return
			}
		}
	}
}

// secondHalf returns the second half of completion c, which ends before position
// next. It is still in the queue when it was just taken, as the head has moved on our
// side only.
func (r *Ring) secondHalf(c CQE, next uint32) [2]uint64 {
	switch {
	case r.flags.CQESize() == 32:
		return r.q.BigCQE(next - 1)
	case r.flags&SetupCQEMixed != 0 && c.Big():
		return r.q.BigCQE(next - 2)
	}
	return [2]uint64{}
}
