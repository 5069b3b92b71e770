package uring

import (
	"errors"
	"fmt"
	"math"
	"sync"

	"github.com/uring-go/uring/cgo"
	"github.com/uring-go/uring/internal/kernel"
)

// ringsByFD has the open rings of the process by descriptor.
var ringsByFD sync.Map

// SyncMsg posts the completion c on the ring, and wakes a wait there. Unlike the
// other methods it may be called from any goroutine at any time, also while the
// ring is closed: then, and afterwards, the error is [ErrClosed]. It is how other
// goroutines tell a ring's owner something. Linux 6.13. See
// io_uring_register_sync_msg(3).
func (r *Ring) SyncMsg(c CQE) error {
	if r == nil || r.q == nil {
		return errNoRing
	}
	r.fdInUse.RLock()
	defer r.fdInUse.RUnlock()
	to := r.addressed()
	switch {
	case to >= 0:
		return syncMsg(int(to), c)
	case r.flags&SetupRegisteredFDOnly != 0:
		return errors.New("uring: SyncMsg needs a ring with a file descriptor: leave out SetupRegisteredFDOnly")
	}
	return ErrClosed
}

// SyncMsg is [Ring.SyncMsg] by the ring's descriptor, see [Ring.FD], which may
// have come from another process. The ring must stay open meanwhile: the number
// may mean another file, or ring, afterwards.
func SyncMsg(ringFD int, c CQE) error {
	if ringFD < 0 || ringFD > math.MaxInt32 {
		return fmt.Errorf("uring: SyncMsg: %d is no descriptor", ringFD)
	}
	if r, ok := ringsByFD.Load(ringFD); ok {
		return r.(*Ring).SyncMsg(c)
	}
	return syncMsg(ringFD, c)
}

func syncMsg(ringFD int, c CQE) error {
	return answer("send a message to a ring", cgo.SyncMsg(ringFD, cgo.CQE{UserData: c.UserData, Res: c.Res, Flags: c.Flags}), kernel.V(6, 13), "2.12")
}
