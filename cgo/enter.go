//go:build linux && cgo

package cgo

// #include "shim.h"
import "C"

import (
	"runtime"
	"sync/atomic"
	"syscall"
	"time"
	"unsafe"
)

// enterState is what entering the kernel needs beside the queues.
type enterState struct {
	sqeHead *uint32 // liburing's: entries before it were published
	ktail   *uint32 // the submission queue's tail that the kernel reads
	flags   uint32  // the ring's setup flags
	wait    *waitArg
	told    bool // Go's scheduler is told of every call: see brief
	guess   guess
	yielded time.Time

	Enters uint64 // calls of io_uring_enter(2), for tests
}

// A waitArg is the argument of a wait with a time limit. It lies in C memory,
// as it points into itself, and Go memory on the stack moves.
type waitArg struct {
	arg struct {
		sigmask     uint64
		sigmaskSize uint32
		minWaitUsec uint32
		ts          uint64
	}
	ts [2]int64
}

const (
	_ = -(unsafe.Sizeof(waitArg{}.arg) ^ uintptr(C.sizeof_struct_io_uring_getevents_arg))
	_ = -(unsafe.Sizeof(waitArg{}.ts) ^ uintptr(C.sizeof_struct___kernel_timespec))
)

func newEnterState(c *C.struct_io_uring) enterState {
	s := enterState{
		sqeHead: (*uint32)(&c.sq.sqe_head),
		ktail:   (*uint32)(c.sq.ktail),
		flags:   uint32(c.flags),
		wait:    (*waitArg)(C.calloc(1, C.size_t(unsafe.Sizeof(waitArg{})))),
	}
	s.told = s.flags&(SetupSQPoll|SetupIOPoll|SetupSQRewind) != 0
	s.wait.arg.sigmaskSize = sigsetSize
	s.wait.arg.ts = uint64(uintptr(unsafe.Pointer(&s.wait.ts)))
	return s
}

func (s *enterState) free() { C.free(unsafe.Pointer(s.wait)) }

// sigsetSize is _NSIG/8, which liburing passes with every call.
const sigsetSize = 8

// flush publishes the entries that were taken and returns how many the kernel
// has not consumed.
func (r *Ring) flush() uint32 {
	tail := *r.sqTail
	if r.flags&SetupSQRewind != 0 {
		*r.sqTail = 0
		return tail
	}
	if *r.sqeHead != tail {
		*r.sqeHead = tail
		if r.flags&SetupSQPoll == 0 {
			*r.ktail = tail // the kernel looks in the system call
		} else {
			atomic.StoreUint32(r.ktail, tail)
		}
	}
	return tail - atomic.LoadUint32(r.sqHead)
}

// enterFlags returns the flags that go with every call for this ring.
func (r *Ring) enterFlags() uint32 {
	flags := uint32(r.c.int_flags) & EnterNoIowait
	if r.c.enter_ring_fd != r.c.ring_fd {
		flags |= EnterRegisteredRing
	}
	return flags
}

// sqNeedsEnter reports whether a system call is needed for n entries to be seen,
// and adds the flag that wakes a sleeping submission thread.
func (r *Ring) sqNeedsEnter(n uint32, flags *uint32) bool {
	if n == 0 || r.flags&SetupSQPoll == 0 {
		return n != 0
	}
	// The store of the tail before is sequentially consistent, so this load
	// cannot overtake it.
	if r.SQFlags()&SQNeedWakeup != 0 {
		*flags |= EnterSQWakeup
		return true
	}
	return false
}

// cqNeedsEnter reports whether completions wait in the kernel for a call.
func (r *Ring) cqNeedsEnter() bool {
	polled := r.flags&(SetupIOPoll|SetupSQPoll) == SetupIOPoll
	return polled || r.SQFlags()&(SQCQOverflow|SQTaskrun) != 0
}

// submit submits and waits for n completions.
func (r *Ring) submit(n uint32) int { return r.submitFor(alone, n, n > 0) }

// submitFor is submit. With getEvents and n 0 it also lets in the completions
// that are ready in the kernel.
func (r *Ring) submitFor(by manner, n uint32, getEvents bool) int {
	flags := r.enterFlags()
	queued := r.flush()
	getEvents = getEvents || r.cqNeedsEnter()
	if !r.sqNeedsEnter(queued, &flags) && !getEvents {
		return int(queued)
	}
	if getEvents {
		flags |= EnterGetEvents
	}
	return r.enter(by, queued, n, flags, nil, sigsetSize)
}

// submitTimeout submits and waits for n completions, with time limits.
func (r *Ring) submitTimeout(n uint32, nsec int64, minWaitUsec uint32) int {
	return r.submitTimed(n, nsec, minWaitUsec, 0)
}

// submitTimed is submitTimeout with flags that say more of the time.
func (r *Ring) submitTimed(n uint32, nsec int64, minWaitUsec, flags uint32) int {
	flags |= r.enterFlags()
	queued := r.flush()
	enter := r.sqNeedsEnter(queued, &flags)
	head, tail := r.CQ()
	if n > tail-head {
		flags |= EnterGetEvents | EnterExtArg
		enter = true
	}
	if !enter {
		return 0
	}
	r.wait.arg.minWaitUsec = minWaitUsec
	r.wait.ts = [2]int64{nsec / 1e9, nsec % 1e9}
	return r.enter(alone, queued, n, flags, unsafe.Pointer(r.wait), unsafe.Sizeof(r.wait.arg))
}

// getEvents lets completions in.
func (r *Ring) getEvents() int {
	return r.enter(alone, 0, 0, r.enterFlags()|EnterGetEvents, nil, sigsetSize)
}

// submitShared is submit of 0 that lets no other goroutines run before. Go's
// scheduler is told of it as always if tell is set, else only if it does more.
func (r *Ring) submitShared(tell bool) int {
	if tell {
		return r.submitFor(together, 0, false)
	}
	return r.submitFor(untold, 0, false)
}

// A manner says how a call is made.
type manner uint8

const (
	alone    manner = iota // by the one goroutine of a ring
	together               // by one of several that share it: it lets no others run before
	untold                 // the same, and Go's scheduler is not told of a call that only submits
)

// enter is io_uring_enter(2). arg is C memory.
func (r *Ring) enter(by manner, submit, wait, flags uint32, arg unsafe.Pointer, size uintptr) int {
	r.Enters++
	fd := uintptr(r.c.enter_ring_fd)
	var n uintptr
	var errno syscall.Errno
	if flags&(EnterGetEvents|EnterSQWakeup) == 0 && (by == untold && !r.told || r.brief(submit)) {
		n, _, errno = syscall.RawSyscall6(C.__NR_io_uring_enter, fd, uintptr(submit), uintptr(wait), uintptr(flags), uintptr(arg), size)
	} else {
		if by == alone {
			r.yield()
		}
		n, _, errno = syscall.Syscall6(C.__NR_io_uring_enter, fd, uintptr(submit), uintptr(wait), uintptr(flags), uintptr(arg), size)
	}
	if errno != 0 {
		return -int(errno)
	}
	return int(n)
}

// yieldEvery is less than the 10 ms after which Go's scheduler interferes.
const yieldEvery = 8 * time.Millisecond

// yield lets other goroutines run now and then before a call that Go's
// scheduler is told of. When a goroutine has run for 10 ms, the scheduler's
// monitor asks it to let others run, and takes its P away if it is in a system
// call. The monitor then looks again every 20 µs, interrupts the call by a
// signal each time, and so takes as much processor time as the loop itself.
func (r *Ring) yield() {
	if time.Since(r.yielded) > yieldEvery {
		runtime.Gosched()
		r.yielded = time.Now()
	}
}
