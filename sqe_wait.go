package uring

import "github.com/uring-go/uring/cgo"

// An IDType says what the id given to [SQE.PrepWaitid] is.
type IDType uint32

// What to wait for.
const (
	PAll   IDType = cgo.PAll   // any child
	PPID   IDType = cgo.PPID   // the process id
	PPGID  IDType = cgo.PPGID  // any child in the process group id
	PPIDFD IDType = cgo.PPIDFD // the process that the descriptor id stands for
)

// A Siginfo is what [SQE.PrepWaitid] says about a child: a siginfo_t.
type Siginfo = cgo.Siginfo

// PrepWaitid completes with 0 when a child process changes its state as options
// say, WEXITED for example: see waitid(2). info, which may be nil, gets what
// happened; it must stay reachable until the completion. Linux 6.7. See
// io_uring_prep_waitid(3).
func (s SQE) PrepWaitid(typ IDType, id int, info *Siginfo, options int) {
	s.prep(cgo.OpWaitid, 0, 0, uint32(typ), addressOf(s, info))
	s.SQE.FD = int32(id)
	s.FileIndex = uint32(options)
}
