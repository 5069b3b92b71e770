package uring

import (
	"fmt"
	"math"
	"syscall"
	"time"

	"github.com/uring-go/uring/cgo"
	"github.com/uring-go/uring/internal/kernel"
)

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
	if err := answer("register busy polling", r.drv.RegisterNAPI(&c), since, ""); err != nil {
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
	if err := answer("unregister busy polling", r.drv.UnregisterNAPI(&c), kernel.V(6, 9), ""); err != nil {
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
	return answer("name a device's queue to poll", rc, kernel.V(6, 13), "")
}
