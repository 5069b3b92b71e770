package uring

import (
	"errors"
	"fmt"
	"math"
	"os"
	"syscall"
	"time"

	"github.com/uring-go/uring/cgo"
	"github.com/uring-go/uring/internal/kernel"
)

// exists reports whether rc means that what was to be registered is there
// already. The kernel also returns EEXIST to threads other than the issuer's.
func (r *Ring) exists(rc int) bool { return rc == -int(syscall.EEXIST) && r.servesThread() }

// servesThread reports whether the kernel accepts calls for the ring from this
// thread; if so, EEXIST means something else.
func (r *Ring) servesThread() bool {
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
	err := checkSince("close the ring's descriptor", r.drv.CloseRingFD(), kernel.V(6, 3), "")
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

// Now returns the time that the clock tells: how long after its zero it is, for
// [Ring.SubmitAndWaitUntil] and for [TimeoutAbs].
func (c Clock) Now() time.Duration { return time.Duration(cgo.ClockNow(uint32(c))) }

// RegisterClock makes the timeouts of waits go by another clock than
// [ClockMonotonic]. It does not concern requests: see [TimeoutBoottime]. Linux
// 6.12. See io_uring_register_clock(3).
func (r *Ring) RegisterClock(c Clock) error {
	if err := r.usable(); err != nil {
		return err
	}
	err := checkSince("choose a clock", r.drv.RegisterClock(uint32(c)), kernel.V(6, 12), "")
	if err == nil {
		r.clock = c
	}
	return err
}

// SetIOWait sets whether a thread that waits for completions counts as waiting
// for I/O in the system's statistics, and keeps its CPU's frequency up. It does
// by default. Linux 6.15. See io_uring_set_iowait(3).
func (r *Ring) SetIOWait(on bool) error {
	if err := r.usable(); err != nil {
		return err
	}
	return checkSince("say whether waits count as I/O", r.drv.SetIOWait(on), kernel.V(6, 15), "2.10")
}

// RegisterEventFD makes the ring signal the eventfd for completions; with
// async only for those of requests that ran in a worker thread. One signal may
// stand for many completions, and there may be more signals than completions.
// After one, go over [Ring.Completions] until it yields nothing: with
// [SetupDeferTaskrun] the signal comes while the completion is still in the
// kernel, and one call does not always fetch all.
//
// Some kernels signal only the first work that another thread adds to a ring with
// SetupDeferTaskrun, as data for a receive does: [KernelBugs] tells. There
// unregister the eventfd and register it again, after each signal and before going
// over the completions. Linux 6.12.117 is one of them. See
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

// EventFDEnabled reports whether the ring signals its eventfd, if it has one. See
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
	err := check(opUnregisterEventFD, r.drv.UnregisterEventFD())
	r.eventFD = err != nil
	return err
}

// A NAPI says how waits on a ring poll network devices before they sleep.
type NAPI struct {
	// BusyPoll is how long to poll, in whole microseconds.
	BusyPoll time.Duration
	// Prefer leaves the devices' interrupts off meanwhile.
	Prefer bool
	// Tracking says which receive queues are polled.
	Tracking NAPITracking
}

// NAPITracking says how a ring learns which receive queues of network devices
// (NAPI instances) to poll.
type NAPITracking uint8

const (
	// NAPIDynamic polls the queues of the sockets that requests wait for.
	NAPIDynamic NAPITracking = cgo.NAPIDynamic
	// NAPIStatic polls those that [Ring.AddNAPI] names. Linux 6.13.
	NAPIStatic NAPITracking = cgo.NAPIStatic
	// NAPIInactive is what [Ring.UnregisterNAPI] leaves behind: none.
	NAPIInactive NAPITracking = cgo.NAPIInactive
)

// RegisterNAPI makes waits on the ring poll network devices that support it,
// and returns how they did before. Linux 6.9. See io_uring_register_napi(3).
func (r *Ring) RegisterNAPI(n NAPI) (previous NAPI, err error) {
	if err := r.usable(); err != nil {
		return NAPI{}, err
	}
	if us := n.BusyPoll.Microseconds(); us < 0 || us > math.MaxUint32 {
		return NAPI{}, fmt.Errorf("uring: RegisterNAPI: NAPI.BusyPoll, %v, is out of range", n.BusyPoll)
	}
	c := cgo.NAPI{BusyPollUsec: uint32(n.BusyPoll.Microseconds()), Param: uint32(n.Tracking)}
	if n.Prefer {
		c.Prefer = 1
	}
	since := kernel.V(6, 9)
	if n.Tracking != NAPIDynamic {
		since = kernel.V(6, 13)
	}
	if err := checkSince("register busy polling", r.drv.RegisterNAPI(&c), since, ""); err != nil {
		return NAPI{}, err
	}
	return napi(c), nil
}

// UnregisterNAPI ends polling, and returns how it was, except that the kernel
// does not tell the Tracking. See io_uring_unregister_napi(3).
func (r *Ring) UnregisterNAPI() (previous NAPI, err error) {
	if err := r.usable(); err != nil {
		return NAPI{}, err
	}
	var c cgo.NAPI
	if err := checkSince("unregister busy polling", r.drv.UnregisterNAPI(&c), kernel.V(6, 9), ""); err != nil {
		return NAPI{}, err
	}
	return napi(c), nil
}

func napi(c cgo.NAPI) NAPI {
	return NAPI{
		BusyPoll: time.Duration(c.BusyPollUsec) * time.Microsecond,
		Prefer:   c.Prefer != 0,
		Tracking: NAPITracking(c.Param),
	}
}

// AddNAPI adds a receive queue to those that are polled with [NAPIStatic]. Its
// number is what getsockopt(2) returns for SO_INCOMING_NAPI_ID of a socket that
// has received from it. Linux 6.13. See io_uring_register_napi(3).
func (r *Ring) AddNAPI(id uint32) error { return r.staticNAPI(cgo.NAPIStaticAdd, id) }

// RemoveNAPI undoes [Ring.AddNAPI]. See io_uring_register_napi(3).
func (r *Ring) RemoveNAPI(id uint32) error { return r.staticNAPI(cgo.NAPIStaticDel, id) }

func (r *Ring) staticNAPI(op uint8, id uint32) error {
	if err := r.usable(); err != nil {
		return err
	}
	rc := r.drv.RegisterNAPI(&cgo.NAPI{Op: op, Param: id})
	if r.exists(rc) {
		return fmt.Errorf("uring: AddNAPI: %d is polled already: %w", id, syscall.EEXIST)
	}
	return checkSince("name a device's queue to poll", rc, kernel.V(6, 13), "")
}

// maxCPU is the highest number of a CPU that Linux can be built for.
const maxCPU = 8191

// noCPU says that the machine has no such CPU: the kernel takes any, and makes
// workers that may run nowhere.
func noCPU(cpu int) bool {
	const all = "/sys/devices/system/cpu"
	if _, err := os.Stat(all); err != nil {
		return cpu < 0 || cpu > maxCPU // no way to tell
	}
	_, err := os.Stat(fmt.Sprintf("%s/cpu%d", all, cpu))
	return err != nil
}

// RegisterIOWQAff lets worker threads of the ring, those of io-wq, run on these
// CPUs only; it holds for those that start from now on. They belong to the
// thread that submits, and that thread must call it, as in [Serve]; with
// [SetupSQPoll] any may. Linux 5.14. See io_uring_register_iowq_aff(3).
func (r *Ring) RegisterIOWQAff(cpus ...int) error {
	if err := r.usable(); err != nil {
		return err
	}
	if len(cpus) == 0 {
		return errors.New("uring: RegisterIOWQAff: no CPU; UnregisterIOWQAff allows all")
	}
	var mask []byte
	for _, cpu := range cpus {
		if noCPU(cpu) {
			return fmt.Errorf("uring: RegisterIOWQAff: there is no CPU %d", cpu)
		}
		for len(mask) <= cpu/8 {
			mask = append(mask, make([]byte, 8)...) // the kernel takes whole words
		}
		mask[cpu/8] |= 1 << (cpu % 8)
	}
	return checkSince("choose CPUs for workers", r.drv.RegisterIOWQAff(mask), kernel.V(5, 14), "")
}

// UnregisterIOWQAff undoes [Ring.RegisterIOWQAff]. See
// io_uring_unregister_iowq_aff(3).
func (r *Ring) UnregisterIOWQAff() error {
	if err := r.usable(); err != nil {
		return err
	}
	return checkSince("choose CPUs for workers", r.drv.UnregisterIOWQAff(), kernel.V(5, 14), "")
}

// RegisterIOWQMaxWorkers limits how many worker threads the ring may have on
// each NUMA node: bounded ones, for requests that end by themselves, such as
// those on files, and unbounded ones, for requests that may wait for ever, such
// as those on sockets. 0 leaves a limit as it is. It returns the limits so far.
// The limits are per thread that submits, not per ring. Linux 5.15. See
// io_uring_register_iowq_max_workers(3).
func (r *Ring) RegisterIOWQMaxWorkers(bounded, unbounded int) (oldBounded, oldUnbounded int, err error) {
	if err := r.usable(); err != nil {
		return 0, 0, err
	}
	if min(bounded, unbounded) < 0 || max(bounded, unbounded) > math.MaxInt32 {
		return 0, 0, fmt.Errorf("uring: RegisterIOWQMaxWorkers: %d and %d workers", bounded, unbounded)
	}
	limits := [2]uint32{uint32(bounded), uint32(unbounded)}
	if err := checkSince("limit workers", r.drv.RegisterIOWQMaxWorkers(&limits), kernel.V(5, 15), ""); err != nil {
		return 0, 0, err
	}
	return int(limits[0]), int(limits[1]), nil
}

// RegisterPersonality keeps the credentials that the calling thread has now
// (user, groups, capabilities, security labels) and returns a number for them:
// a request whose SQE.Personality has it acts with them, whatever the thread's
// are by then. Linux 5.6. See io_uring_register_personality(3).
func (r *Ring) RegisterPersonality() (uint16, error) {
	if err := r.usable(); err != nil {
		return 0, err
	}
	rc := r.drv.RegisterPersonality()
	if err := check("register credentials", rc); err != nil {
		return 0, err
	}
	if rc > math.MaxUint16 {
		panic("uring: the kernel numbers credentials higher than requests can say")
	}
	return uint16(rc), nil
}

// UnregisterPersonality undoes [Ring.RegisterPersonality]; requests that run
// keep what they have. See io_uring_unregister_personality(3).
func (r *Ring) UnregisterPersonality(id uint16) error {
	if err := r.usable(); err != nil {
		return err
	}
	return check("unregister credentials", r.drv.UnregisterPersonality(id))
}
