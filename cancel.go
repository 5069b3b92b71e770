package uring

import (
	"errors"
	"fmt"
	"os"
	"syscall"
	"time"

	"github.com/uring-go/uring/cgo"
	"github.com/uring-go/uring/internal/kernel"
)

// A Match says which requests [Ring.SyncCancel] cancels: those that agree with
// each pointer that is set.
type Match struct {
	UserData *uint64
	FD       *FD // the file that they work on; together with UserData see [HaveCancelBoth]
	Op       *Op // see [HaveCancelOp]
	// Any matches every request, and takes no other condition.
	Any bool
}

// SyncCancel cancels requests and waits until they are over: when it returns,
// the kernel does not use their memory any more, and their completions are in
// the queue, save those that [SetupDeferTaskrun] puts off. It needs no entry in
// the submission queue. With all it cancels every request that matches and
// returns how many there were; otherwise the first that it finds.
//
// The error is ENOENT if no request matches, unless all is set, and
// [os.ErrDeadlineExceeded] if one is not over after the time limit; a negative
// limit is none. Linux 6.0. See
// io_uring_register_sync_cancel(3).
func (r *Ring) SyncCancel(m Match, all bool, limit time.Duration) (int, error) {
	if err := r.usable(); err != nil {
		return 0, err
	}
	c, err := m.raw()
	if err != nil {
		return 0, err
	}
	if err := m.supported(); err != nil {
		return 0, err
	}
	if all {
		c.Flags |= cgo.AsyncCancelAll
	}
	r.syncHead()
	for deadline := time.Now().Add(limit); ; {
		c.Sec, c.Nsec = -1, -1
		if limit >= 0 {
			left := max(time.Until(deadline), 0)
			c.Sec, c.Nsec = int64(left/time.Second), int64(left%time.Second)
		}
		rc := r.drv.SyncCancel(&c)
		switch syscall.Errno(-rc) {
		case syscall.EINTR: // a signal, such as the Go runtime's own
			continue
		case cgo.ETime:
			return 0, fmt.Errorf("uring: cancel: %w", os.ErrDeadlineExceeded)
		}
		r.cancelled()
		return max(rc, 0), answer("cancel", rc, kernel.V(6, 0), "")
	}
}

// supported keeps conditions from kernels that take no notice of them, and
// would cancel other requests.
func (m Match) supported() error {
	if m.Op != nil {
		if err := HaveCancelOp(); err != nil {
			return err
		}
	}
	if m.UserData != nil && m.FD != nil {
		return HaveCancelBoth()
	}
	return nil
}

func (m Match) raw() (cgo.SyncCancel, error) {
	c := cgo.SyncCancel{FD: -1}
	none := m.UserData == nil && m.FD == nil && m.Op == nil
	switch {
	case m.Any && !none:
		return c, errors.New("uring: SyncCancel: Match.Any takes no other condition")
	case m.Any:
		c.Flags = cgo.AsyncCancelAny
		return c, nil
	case none:
		return c, errors.New("uring: SyncCancel: the Match is empty; Any matches every request")
	}
	if m.UserData != nil {
		c.Flags |= cgo.AsyncCancelUserData
		c.Addr = *m.UserData
	}
	if m.FD != nil {
		c.Flags |= cgo.AsyncCancelFD
		c.FD = int32(*m.FD)
		if m.FD.IsDirect() {
			c.Flags |= cgo.AsyncCancelFDFixed
			c.FD = int32(*m.FD &^ directBit)
		}
	}
	if m.Op != nil {
		c.Flags |= cgo.AsyncCancelOp
		c.Opcode = uint8(*m.Op)
	}
	return c, nil
}
