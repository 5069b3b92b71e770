package uring

import (
	"errors"
	"fmt"
	"math"

	"github.com/uring-go/uring/cgo"
)

// CurrentOffset makes a read or write use and move the file's own position.
const CurrentOffset = ^uint64(0)

// PrepRead reads into p from off, or from the current position with
// [CurrentOffset], which is also right for what has no positions. The result
// may be short: one request reads at most 2 GiB - 4096. p must stay reachable,
// and untouched, until the completion. Of several that wait on one datagram
// socket, see [SQE.PrepRecvMsg]. See io_uring_prep_read(3).
func (s SQE) PrepRead(fd FD, p []byte, off uint64) {
	s.prep(cgo.OpRead, fd, s.address(p), length(p), off)
}

// PrepWrite writes p at off. The result may be short: one request writes at
// most 2 GiB - 4096. p must stay reachable, and unchanged, until the completion.
// See io_uring_prep_write(3).
func (s SQE) PrepWrite(fd FD, p []byte, off uint64) {
	s.prep(cgo.OpWrite, fd, s.address(p), length(p), off)
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
// An incremental ring is for what can be polled: pipes, stream sockets, terminals,
// and with [BufRingConfig] MinLeft also what brings messages, such as an eventfd.
// From a socket it receives, as [SQE.PrepRecvProvided] does. Files, other devices
// and direct descriptors, which may be such, are refused: the kernel consumes the
// length asked for, not the length read. It does the same in a worker thread, where
// a read goes after 128 vain attempts, such as when several requests read from one
// pipe. The ring then stops with [ErrAccount]. Linux 5.19. See io_uring_prep_read(3) and
// io_uring_provided_buffers(7).
func (s SQE) PrepReadProvided(fd FD, br *BufRing, n int) error {
	return s.PrepReadProvidedAt(fd, br, n, CurrentOffset)
}

// PrepReadProvidedAt is [SQE.PrepReadProvided] from off. Of what has no positions,
// which is all that goes with an incremental ring, off must be [CurrentOffset].
func (s SQE) PrepReadProvidedAt(fd FD, br *BufRing, n int, off uint64) error {
	if n < 0 || int64(n) > math.MaxInt32 {
		return s.refuse(fmt.Errorf("uring: read of %d bytes, want 0 to %d", n, math.MaxInt32))
	}
	if err := br.checkRead(s, fd); err != nil {
		return s.refuse(err)
	}
	if br.incremental && off != CurrentOffset {
		return s.refuse(errors.New("uring: what an incremental buffer ring may read has no positions: use CurrentOffset"))
	}
	if br.incremental && cgo.SocketType(int(fd)) > 0 && br.haveLimit() == nil {
		s.prepRecvOnce(fd, br, n, 0, 0) // the same, and never in a worker thread
		return nil
	}
	if err := br.checkSingle(s); err != nil {
		return s.refuse(err)
	}
	s.prep(cgo.OpRead, fd, 0, uint32(n), off)
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
	s.prep(op, fd, s.address(p), length(p), off)
	s.BufIndex = b.index
	return nil
}

// FsyncFlags change what PrepFsync writes.
type FsyncFlags uint32

// FsyncDatasync leaves out what is not needed to read the data back, as
// fdatasync(2) does.
const FsyncDatasync FsyncFlags = cgo.FsyncDatasync

// PrepFsync writes what was written to fd to the disk. Writes that have not
// completed are not covered: link them before it. See io_uring_prep_fsync(3).
func (s SQE) PrepFsync(fd FD, flags FsyncFlags) {
	s.prep(cgo.OpFsync, fd, 0, 0, 0)
	s.OpFlags = uint32(flags)
}

// PrepSyncFileRange starts to write n bytes at off to the disk, to the end of
// the file if n is 0, as the flags of sync_file_range(2) say. It does not
// write what is needed to find them after a crash. See
// io_uring_prep_sync_file_range(3).
func (s SQE) PrepSyncFileRange(fd FD, off uint64, n uint32, flags int) {
	s.prep(cgo.OpSyncFileRange, fd, 0, n, off)
	s.OpFlags = uint32(flags)
}

// PrepFallocate makes room for n bytes at off, or does what else mode says: see
// fallocate(2), io_uring_prep_fallocate(3).
func (s SQE) PrepFallocate(fd FD, mode int, off, n int64) {
	s.prep(cgo.OpFallocate, fd, uint64(n), uint32(mode), uint64(off))
}

// PrepFtruncate makes the file n bytes long. Linux 6.9. See
// io_uring_prep_ftruncate(3).
func (s SQE) PrepFtruncate(fd FD, n int64) {
	s.prep(cgo.OpFtruncate, fd, 0, 0, uint64(n))
}

// PrepFadvise says how n bytes of the file from off on will be used, all from
// there on if n is 0: see posix_fadvise(2). More than 4 GiB at a time need
// Linux 6.10. See io_uring_prep_fadvise(3) and io_uring_prep_fadvise64(3).
func (s SQE) PrepFadvise(fd FD, off, n int64, advice int) {
	long, short := lengths(n)
	s.prep(cgo.OpFadvise, fd, long, short, uint64(off))
	s.OpFlags = uint32(advice)
}

// PrepMadvise says how the memory p will be used: see madvise(2). p must start
// at a page, and stay mapped until the completion. Never give it memory of the
// Go heap or of a registered buffer. More than 4 GiB at a time need Linux 6.10.
// See io_uring_prep_madvise(3) and io_uring_prep_madvise64(3).
func (s SQE) PrepMadvise(p []byte, advice int) {
	long, short := lengths(int64(len(p)))
	s.prep(cgo.OpMadvise, -1, s.address(p), short, long)
	s.OpFlags = uint32(advice)
}

// lengths says where an entry has a length of 64 bits: in the field of 32 bits
// that every kernel knows if it fits.
func lengths(n int64) (long uint64, short uint32) {
	if n < 0 || n > math.MaxUint32 {
		return uint64(n), 0
	}
	return 0, uint32(n)
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
// was full. Files fail with EBADFD. Descriptors other than pipes, sockets,
// terminals, eventfd, timerfd and signalfd must have O_NONBLOCK: otherwise reading
// waits in a worker thread. Each read takes as much as its buffer has room for; the
// kernel refuses a length with EINVAL. Hand every completion to [BufRing.Consume] or
// [BufRing.Segments]. Linux 6.7; before 6.12 the last completion may lose its
// buffer. See io_uring_prep_read_multishot(3).
func (s SQE) PrepReadMultishot(fd FD, br *BufRing) error {
	if err := br.checkReadMultishot(s, fd); err != nil {
		return s.refuse(err)
	}
	s.prep(cgo.OpReadMultishot, fd, 0, 0, CurrentOffset)
	s.selectBuffer(br, 0, 0)
	return nil
}

// SpliceFlags change how splice and tee work.
type SpliceFlags uint32

// The flags of splice and tee.
const (
	SpliceMove     SpliceFlags = cgo.SpliceMove     // move pages if possible
	SpliceNonblock SpliceFlags = cgo.SpliceNonblock // do not wait for the pipe
	SpliceMore     SpliceFlags = cgo.SpliceMore     // more will follow, as MSG_MORE
)

// PrepSplice moves up to n bytes from in to out, one of which must be a pipe,
// without a copy to user memory. inOff and outOff are [CurrentOffset] for a
// pipe, and for the file's own position. The result may be short. With O_NONBLOCK,
// which all descriptors of packages net and os have, or [SpliceNonblock], it fails
// with EAGAIN in place of waiting for data or room: [SQE.PrepPollAdd] waits. See
// io_uring_prep_splice(3).
func (s SQE) PrepSplice(in FD, inOff uint64, out FD, outOff uint64, n uint32, flags SpliceFlags) {
	s.prep(cgo.OpSplice, out, inOff, n, outOff)
	s.spliceFrom(in, flags)
}

// PrepTee copies up to n bytes from the pipe in to the pipe out and leaves
// them in the first. It fails with EAGAIN in place of waiting as [SQE.PrepSplice]
// does. See io_uring_prep_tee(3).
func (s SQE) PrepTee(in, out FD, n uint32, flags SpliceFlags) {
	s.prep(cgo.OpTee, out, 0, n, 0)
	s.spliceFrom(in, flags)
}

func (s SQE) spliceFrom(in FD, flags SpliceFlags) {
	s.OpFlags = uint32(flags)
	s.FileIndex = uint32(in)
	if in.IsDirect() {
		// Named by a flag of its own: the entry's is for out.
		s.FileIndex = uint32(in &^ directBit)
		s.OpFlags |= cgo.SpliceFDInFixed
	}
}
