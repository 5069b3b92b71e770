package uring

import (
	"errors"
	"syscall"

	"github.com/uring-go/uring/cgo"
	"github.com/uring-go/uring/internal/kernel"
)

// exists reports whether rc means that what was to be registered is there
// already. To calls from another thread than the issuer's the kernel answers the
// same.
func (r *Ring) exists(rc int) bool { return rc == -int(syscall.EEXIST) && r.heard() }

// heard reports whether the kernel takes calls for the ring from this thread.
func (r *Ring) heard() bool {
	var ops [256]uint8
	return r.drv.Probe(ops[:]) != -int(syscall.EEXIST)
}

// RegisterRingFD lets the calling thread enter the kernel for this ring a
// little faster. Only on a goroutine locked to its thread, as in [Serve]: the
// registration belongs to the thread. Linux 5.18. See
// io_uring_register_ring_fd(3).
func (r *Ring) RegisterRingFD() error {
	if err := r.usable(); err != nil {
		return err
	}
	if r.ringFD {
		return errors.New("uring: RegisterRingFD: the descriptor is registered; UnregisterRingFD undoes it, on the same thread")
	}
	err := check("register the ring's descriptor", r.drv.RegisterRingFD())
	r.ringFD = err == nil
	return err
}

// UnregisterRingFD undoes [Ring.RegisterRingFD], on the same thread. See
// io_uring_unregister_ring_fd(3).
func (r *Ring) UnregisterRingFD() error {
	if err := r.usable(); err != nil {
		return err
	}
	if r.FD() < 0 {
		return errors.New("uring: UnregisterRingFD: the ring has no other descriptor, and would be lost")
	}
	if !r.ringFD {
		return errors.New("uring: UnregisterRingFD: RegisterRingFD was not called before")
	}
	err := check("unregister the ring's descriptor", r.drv.UnregisterRingFD())
	r.ringFD = err != nil
	return err
}

// CloseRingFD closes the ring's descriptor after [Ring.RegisterRingFD], so that
// no other thread, and no other process that inherits descriptors, can get at
// the ring. From then on all calls, Close too, must come from the thread that
// registered it, and what needs the descriptor is gone: see [Ring.FD]. Linux
// 6.3. See io_uring_close_ring_fd(3).
func (r *Ring) CloseRingFD() error {
	if err := r.usable(); err != nil {
		return err
	}
	if r.FD() < 0 {
		return errors.New("uring: CloseRingFD: the ring has no descriptor to close")
	}
	if !r.ringFD {
		return errors.New("uring: CloseRingFD: the ring would be lost: RegisterRingFD first")
	}
	r.fdInUse.Lock()
	defer r.fdInUse.Unlock()
	err := answer("close the ring's descriptor", r.drv.CloseRingFD(), kernel.V(6, 3), "")
	if err == nil {
		r.unname()
	}
	return err
}

// A Clock is what timeouts of waits go by.
type Clock uint32

// The clocks that the kernel takes.
const (
	ClockMonotonic Clock = cgo.ClockMonotonic
	// ClockBoottime also counts the time that the machine is suspended.
	ClockBoottime Clock = cgo.ClockBoottime
)

// RegisterClock makes the timeouts of waits go by another clock than
// [ClockMonotonic]. It does not concern requests: see [TimeoutBoottime]. Linux
// 6.12. See io_uring_register_clock(3).
func (r *Ring) RegisterClock(c Clock) error {
	if err := r.usable(); err != nil {
		return err
	}
	return answer("choose a clock", r.drv.RegisterClock(uint32(c)), kernel.V(6, 12), "")
}

// SetIOWait says whether a thread that waits for completions counts as waiting
// for I/O in the system's statistics, and keeps its CPU's frequency up; it does
// at first. Linux 6.15. See io_uring_set_iowait(3).
func (r *Ring) SetIOWait(on bool) error {
	if err := r.usable(); err != nil {
		return err
	}
	return answer("say whether waits count as I/O", r.drv.SetIOWait(on), kernel.V(6, 15), "2.10")
}

// RegisterEventFD makes the ring signal the eventfd for completions; with
// async only for those of requests that ran in a worker thread. One signal may
// stand for many completions, and there may be more signals than completions.
// After one, go over [Ring.Completions] until it yields nothing: with
// [SetupDeferTaskrun] the signal comes while the completion is still in the
// kernel, and one call does not always fetch all. See
// io_uring_register_eventfd(3) and io_uring_register_eventfd_async(3).
func (r *Ring) RegisterEventFD(fd int, async bool) error {
	if err := r.usable(); err != nil {
		return err
	}
	if r.flags&SetupDeferTaskrun != 0 && r.parked != nil {
		return errors.New("uring: RegisterEventFD: Await has taken the ring's eventfd, as it must with SetupDeferTaskrun")
	}
	err := check(opRegisterEventFD, r.drv.RegisterEventFD(fd, async))
	r.eventFD = r.eventFD || err == nil
	return err
}

// EventFDEnabled says whether the ring signals its eventfd, if it has one. See
// io_uring_cq_eventfd_enabled(3).
func (r *Ring) EventFDEnabled() bool { return !r.gone() && r.drv.EventFDEnabled() }

// SetEventFDEnabled stops the signals to the eventfd, or lets them come again,
// without a system call. [Ring.Await] needs them with [SetupDeferTaskrun].
// Linux 5.8. See io_uring_cq_eventfd_toggle(3).
func (r *Ring) SetEventFDEnabled(on bool) error {
	if err := r.usable(); err != nil {
		return err
	}
	return check("switch the eventfd", r.drv.ToggleEventFD(on))
}

// UnregisterEventFD undoes [Ring.RegisterEventFD]. See
// io_uring_unregister_eventfd(3).
func (r *Ring) UnregisterEventFD() error {
	if err := r.usable(); err != nil {
		return err
	}
	if !r.eventFD {
		return errors.New("uring: UnregisterEventFD: RegisterEventFD was not called before")
	}
	err := check("unregister the eventfd", r.drv.UnregisterEventFD())
	r.eventFD = err != nil
	return err
}
