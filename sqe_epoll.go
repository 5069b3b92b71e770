package uring

import (
	"github.com/uring-go/uring/cgo"
	"github.com/uring-go/uring/internal/arena"
)

// An EpollEvent is a struct epoll_event, laid out as [syscall.EpollEvent] is.
type EpollEvent = cgo.EpollEvent

// PrepEpollCtl adds a descriptor to the epoll instance epfd, changes what it
// waits for, or removes it: op is EPOLL_CTL_ADD, EPOLL_CTL_MOD or
// EPOLL_CTL_DEL. Both are ordinary descriptors. ev is copied. A ring can do all
// that epoll does: this is for programs that have one already. See
// io_uring_prep_epoll_ctl(3).
func (s SQE) PrepEpollCtl(epfd, op, fd int, ev EpollEvent) {
	m := s.slotMemory()
	copy(m, ev.Bytes())
	s.prep(cgo.OpEpollCtl, 0, arena.Addr(m), uint32(op), uint64(uint32(fd)))
	s.SQE.FD = int32(epfd)
}

// PrepEpollWait waits for events of the epoll instance fd; the result is how
// many came. events must stay reachable until the completion. Linux 6.15. See
// io_uring_prep_epoll_wait(3).
func (s SQE) PrepEpollWait(fd FD, events []EpollEvent) {
	s.prep(cgo.OpEpollWait, fd, elements(s, events), uint32(len(events)), 0)
}
