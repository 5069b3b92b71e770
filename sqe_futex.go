package uring

import (
	"encoding/binary"
	"fmt"

	"github.com/uring-go/uring/cgo"
	"github.com/uring-go/uring/internal/arena"
)

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
