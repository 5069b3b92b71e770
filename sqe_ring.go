package uring

import (
	"errors"
	"fmt"
	"math"
	"sync"

	"github.com/uring-go/uring/cgo"
	"github.com/uring-go/uring/internal/kernel"
)

// PrepMsgRing posts a completion with the given user data and result on ring
// to. It takes the descriptor of that ring, which another goroutine may use: see to
// it that this one does not close the ring before the completion of the message,
// or the number may mean another file. Of a ring that is closed already the result
// is EBADF. Linux 5.18. See io_uring_prep_msg_ring(3).
func (s SQE) PrepMsgRing(to *Ring, userData uint64, res int32) {
	s.prep(cgo.OpMsgRing, to.addressed(), cgo.MsgData, uint32(res), userData)
}

// addressed returns what a message for the ring goes to.
func (r *Ring) addressed() FD {
	if !r.extra.Load() {
		r.extra.Store(true)
	}
	return FD(r.FD())
}

// PrepMsgRingFD puts the direct descriptor src of this ring into slot dst of
// ring to, and posts a completion with the user data there. [DirectAlloc] lets
// the kernel pick the slot, which is then the completion's result on both rings.
// Setting OpFlags to IORING_MSG_RING_CQE_SKIP afterwards leaves out the
// completion on ring to. Linux 6.0. See io_uring_prep_msg_ring_fd(3) and
// io_uring_prep_msg_ring_fd_alloc(3).
func (s SQE) PrepMsgRingFD(to *Ring, src, dst Direct, userData uint64) {
	s.prep(cgo.OpMsgRing, to.addressed(), cgo.MsgSendFD, 0, userData)
	s.Addr3 = uint64(src.slot)
	s.FileIndex = dst.fileIndex()
}

// PrepMsgRingCQEFlags is [SQE.PrepMsgRing] that gives the completion flags as
// well, [CQE.Flags]. Linux 6.3. See io_uring_prep_msg_ring_cqe_flags(3).
func (s SQE) PrepMsgRingCQEFlags(to *Ring, userData uint64, res int32, cqeFlags uint32) {
	s.PrepMsgRing(to, userData, res)
	s.OpFlags = cgo.MsgRingFlagsPass
	s.FileIndex = cqeFlags
}

// PrepFilesUpdate puts ordinary descriptors into the slots of the table of
// direct descriptors from first on; -1 empties a slot. With [DirectAlloc] the
// kernel picks the slots and writes them over the descriptors. fds must stay
// reachable until the completion, whose result is how many were put there. See
// io_uring_prep_files_update(3).
func (s SQE) PrepFilesUpdate(first Direct, fds []int32) {
	off := uint64(first.slot)
	if first == DirectAlloc {
		off = math.MaxUint64
	}
	s.prep(cgo.OpFilesUpdate, -1, elements(s, fds), uint32(len(fds)), off)
}

// FixedFDFlags change how a direct descriptor becomes an ordinary one.
type FixedFDFlags uint32

// FixedFDNoCloexec lets children inherit the descriptor.
const FixedFDNoCloexec FixedFDFlags = cgo.FixedFDNoCloexec

// PrepFixedFDInstall makes an ordinary descriptor, which is the result, of a
// direct one. Both stay open until each is closed. Linux 6.8. See
// io_uring_prep_fixed_fd_install(3).
func (s SQE) PrepFixedFDInstall(d Direct, flags FixedFDFlags) {
	s.prep(cgo.OpFixedFDInstall, d.FD(), 0, 0, 0)
	s.OpFlags = uint32(flags)
	s.opens(0)
}

// PrepPipe makes a pipe: fds gets the descriptors to read from and to write to.
// It must stay reachable until the completion. flags are those of pipe2(2).
// Linux 6.16. See io_uring_prep_pipe(3).
func (s SQE) PrepPipe(fds *[2]int32, flags int) {
	s.prep(cgo.OpPipe, 0, addressOf(s, fds), 0, 0)
	s.OpFlags = uint32(flags)
}

// PrepPipeDirect makes a pipe in slots d and d+1 of the table of direct
// descriptors. With [DirectAlloc] the kernel picks the slots, and fds gets them.
// O_CLOEXEC means nothing there and is refused by the kernel. Linux 6.16. See
// io_uring_prep_pipe_direct(3).
func (s SQE) PrepPipeDirect(fds *[2]int32, flags int, d Direct) {
	s.PrepPipe(fds, flags)
	s.FileIndex = d.fileIndex()
}

// ringsByFD has the open rings of the process by descriptor.
var ringsByFD sync.Map

// SyncMsg posts the completion c on the ring, and wakes a wait there. Unlike the
// other methods it may be called from any goroutine at any time, also while the
// ring is closed: then, and afterwards, the error is [ErrClosed]. It is how other
// goroutines tell a ring's owner something. Linux 6.13. See
// io_uring_register_sync_msg(3).
func (r *Ring) SyncMsg(c CQE) error {
	if r == nil || r.drv == nil { // Close writes q
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
	return checkSince("send a message to a ring", cgo.SyncMsg(ringFD, cgo.CQE{UserData: c.UserData, Res: c.Res, Flags: c.Flags}), kernel.V(6, 13), "2.12")
}
