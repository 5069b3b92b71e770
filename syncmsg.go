package uring

import (
	"fmt"
	"math"

	"github.com/uring-go/uring/cgo"
	"github.com/uring-go/uring/internal/kernel"
)

// SyncMsg posts the completion c on the ring whose descriptor is ringFD, see
// [Ring.FD], and wakes a wait there. Unlike the methods of [Ring] it needs no
// ring and may be called from any goroutine at any time: it is how other
// goroutines tell a ring's owner something. The ring must be open, and stay so
// meanwhile: the number may mean another file afterwards. Linux 6.13. See
// io_uring_register_sync_msg(3).
func SyncMsg(ringFD int, c CQE) error {
	if ringFD < 0 || ringFD > math.MaxInt32 {
		return fmt.Errorf("uring: SyncMsg: %d is no descriptor", ringFD)
	}
	return answer("send a message to a ring", cgo.SyncMsg(ringFD, cgo.CQE{UserData: c.UserData, Res: c.Res, Flags: c.Flags}), kernel.V(6, 13), "2.12")
}
