package uring

import (
	"github.com/uring-go/uring/cgo"
)

// RWFlags change how one read or write is carried out. See preadv2(2).
type RWFlags uint32

// The flags of reads and writes.
const (
	// RWHipri polls the device for the result: with [SetupIOPoll].
	RWHipri RWFlags = cgo.RWFHipri
	// RWDsync makes a write one with O_DSYNC.
	RWDsync RWFlags = cgo.RWFDsync
	// RWSync makes a write one with O_SYNC.
	RWSync RWFlags = cgo.RWFSync
	// RWNowait fails with EAGAIN instead of waiting.
	RWNowait RWFlags = cgo.RWFNowait
	// RWAppend makes a write one with O_APPEND.
	RWAppend RWFlags = cgo.RWFAppend
	// RWNoAppend makes a write go to its offset despite O_APPEND. Linux 6.9.
	RWNoAppend RWFlags = cgo.RWFNoAppend
	// RWAtomic makes a write be torn nowhere, or fail. Linux 6.11.
	RWAtomic RWFlags = cgo.RWFAtomic
	// RWDontcache drops the pages from the cache afterwards. Linux 6.14.
	RWDontcache RWFlags = cgo.RWFDontcache
)

// PrepReadv reads into parts, one after the other, from off or from the current
// position with [CurrentOffset]. The slice of parts, at most 1024, is copied;
// what they point at must stay reachable, and untouched, until the completion.
// The result may be short. See io_uring_prep_readv(3) and
// io_uring_prep_readv2(3).
func (s SQE) PrepReadv(fd FD, parts [][]byte, off uint64, flags RWFlags) error {
	return s.prepVector(cgo.OpReadv, fd, parts, off, flags)
}

// PrepWritev writes parts, one after the other, at off. The slice of parts, at
// most 1024, is copied; what they point at must stay reachable, and unchanged,
// until the completion. The result may be short. See io_uring_prep_writev(3)
// and io_uring_prep_writev2(3).
func (s SQE) PrepWritev(fd FD, parts [][]byte, off uint64, flags RWFlags) error {
	return s.prepVector(cgo.OpWritev, fd, parts, off, flags)
}

// PrepReadvFixed is [SQE.PrepReadv] into parts that all lie in one registered
// buffer, none of them empty. Linux 6.15. See io_uring_prep_readv_fixed(3).
func (s SQE) PrepReadvFixed(fd FD, b RegBuf, parts [][]byte, off uint64, flags RWFlags) error {
	return s.prepVectorFixed(cgo.OpReadvFixed, fd, b, parts, off, flags)
}

// PrepWritevFixed is [SQE.PrepWritev] from parts that all lie in one registered
// buffer, none of them empty. Linux 6.15. See io_uring_prep_writev_fixed(3).
func (s SQE) PrepWritevFixed(fd FD, b RegBuf, parts [][]byte, off uint64, flags RWFlags) error {
	return s.prepVectorFixed(cgo.OpWritevFixed, fd, b, parts, off, flags)
}

func (s SQE) prepVector(op uint8, fd FD, parts [][]byte, off uint64, flags RWFlags) error {
	addr, err := s.keepIovecs(parts)
	if err != nil {
		return err
	}
	s.prep(op, fd, addr, uint32(len(parts)), off)
	s.OpFlags = uint32(flags)
	return nil
}

func (s SQE) prepVectorFixed(op uint8, fd FD, b RegBuf, parts [][]byte, off uint64, flags RWFlags) error {
	if err := s.checkParts(b, parts); err != nil {
		return s.refuse(err)
	}
	if err := s.prepVector(op, fd, parts, off, flags); err != nil {
		return err
	}
	s.BufIndex = b.index
	return nil
}

// PrepReadMultishot reads again and again from what can be polled and has no
// positions, such as a pipe or a terminal, each time into a buffer that the
// kernel picks from br, until a completion comes without [CQE.More]: at the end
// of the file, on an error, when br is used up, or when the completion queue
// was full. Files fail with EBADFD. Other than pipes, sockets, terminals, eventfd,
// timerfd and signalfd the descriptor must have O_NONBLOCK: reading it waits in a
// worker thread otherwise. Each read takes as much as its buffer has
// room for: the kernel refuses a length with EINVAL, so there is none here,
// although liburing's helper has one. Hand every completion to
// [BufRing.Consume] or [BufRing.Segments]. Linux 6.7; before 6.12 the last completion may lose its
// buffer. See io_uring_prep_read_multishot(3).
func (s SQE) PrepReadMultishot(fd FD, br *BufRing) error {
	if err := br.checkReadMultishot(s, fd); err != nil {
		return s.refuse(err)
	}
	s.prep(cgo.OpReadMultishot, fd, 0, 0, CurrentOffset)
	s.selectBuffer(br, 0, 0)
	return nil
}
