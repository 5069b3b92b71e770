package uring

import (
	"fmt"
	"math"

	"github.com/uring-go/uring/cgo"
)

// CurrentOffset makes a read or write use and move the file's own position.
const CurrentOffset = ^uint64(0)

// PrepRead reads into p from off, or from the current position with
// [CurrentOffset], which is also right for what has no positions. The result
// may be short: one request reads at most 2 GiB - 4096. p must stay reachable,
// and untouched, until the completion. See io_uring_prep_read(3).
func (s SQE) PrepRead(fd FD, p []byte, off uint64) {
	s.prep(cgo.OpRead, fd, address(p), length(p), off)
}

// PrepWrite writes p at off. The result may be short: one request writes at
// most 2 GiB - 4096. p must stay reachable, and unchanged, until the completion.
// See io_uring_prep_write(3).
func (s SQE) PrepWrite(fd FD, p []byte, off uint64) {
	s.prep(cgo.OpWrite, fd, address(p), length(p), off)
}

// PrepReadFixed is [SQE.PrepRead] into a part p of a registered buffer. See
// io_uring_prep_read_fixed(3).
func (s SQE) PrepReadFixed(fd FD, b RegBuf, p []byte, off uint64) error {
	return s.prepFixed(cgo.OpReadFixed, fd, b, p, off)
}

// PrepReadProvided reads once, at the file's own position, into a buffer that
// the kernel picks from br. n is the most bytes to read, 0 for all that the
// buffer has room for. Hand the completion to [BufRing.Consume] or
// [BufRing.Segments], at the end of the file too.
//
// An incremental ring is for pipes, sockets and devices that can be polled. It
// is refused for files and block devices, where the kernel takes as much of the
// buffer as was asked for, however little it read, and for direct descriptors,
// which may be such. Linux 5.19. See io_uring_prep_read(3) and
// io_uring_provided_buffers(7).
func (s SQE) PrepReadProvided(fd FD, br *BufRing, n int) error {
	if n < 0 || int64(n) > math.MaxInt32 {
		return s.refuse(fmt.Errorf("uring: read of %d bytes, want 0 to %d", n, math.MaxInt32))
	}
	if err := br.checkRead(s, fd); err != nil {
		return s.refuse(err)
	}
	s.prep(cgo.OpRead, fd, 0, uint32(n), CurrentOffset)
	s.selectBuffer(br, 0, 0)
	br.async = true // files are read in worker threads
	return nil
}

// PrepWriteFixed is [SQE.PrepWrite] from a part p of a registered buffer. See
// io_uring_prep_write_fixed(3).
func (s SQE) PrepWriteFixed(fd FD, b RegBuf, p []byte, off uint64) error {
	return s.prepFixed(cgo.OpWriteFixed, fd, b, p, off)
}

func (s SQE) prepFixed(op uint8, fd FD, b RegBuf, p []byte, off uint64) error {
	if err := s.checkBuffer(b, p); err != nil {
		return s.refuse(err)
	}
	s.prep(op, fd, address(p), length(p), off)
	s.BufIndex = b.index
	return nil
}

// PrepClose closes an ordinary descriptor. See io_uring_prep_close(3).
func (s SQE) PrepClose(fd int) {
	s.prep(cgo.OpClose, 0, 0, 0, 0)
	s.SQE.FD = int32(fd)
}

// PrepCloseDirect empties a slot of the ring's table of direct descriptors.
// See io_uring_prep_close_direct(3).
func (s SQE) PrepCloseDirect(d Direct) {
	s.prep(cgo.OpClose, 0, 0, 0, 0)
	s.FileIndex = d.fileIndex()
}

// DirectAlloc, in place of a slot, lets the kernel pick a free one; it is the
// request's result. Linux 5.19, or 6.0 for PrepMsgRingFD.
var DirectAlloc = Direct{cgo.FileIndexAlloc}

// fileIndex is how an entry names a slot to fill: 0 means none.
func (d Direct) fileIndex() uint32 {
	if d == DirectAlloc {
		return cgo.FileIndexAlloc
	}
	return d.slot + 1
}
