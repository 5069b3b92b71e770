package uring

import (
	"fmt"
	"math"
	"syscall"

	"github.com/uring-go/uring/cgo"
	"github.com/uring-go/uring/internal/arena"
	"github.com/uring-go/uring/internal/live"
)

// A RawBufRingConfig says what a [RawBufRing] is like.
type RawBufRingConfig struct {
	// Group names the ring of buffers in requests. It must be unique within the
	// Ring.
	Group uint16
	// Entries is the number of buffers that it has room for: a power of two, 1 to
	// 32768.
	Entries int
	// Incremental and MinLeft are those of [BufRingConfig].
	Incremental bool
	MinLeft     int
}

// A RawBufRing is a ring of buffers of which the program keeps the account: each
// buffer has the size, the number and the memory that the program gives it, and the
// program finds out by itself, from [CQE.BufferID], the results and
// [CQE.BufferMore], which bytes a completion is about and when a buffer may be
// given again. It is for ports of programs that do so, and for sending from buffers
// of one's own. Nothing is checked against the kernel: a [BufRing] is for all else.
//
// Requests name it by its group: [SQE.PrepRecvMultishotGroup],
// [SQE.PrepRecvMsgMultishotGroup], [SQE.PrepReadMultishotGroup],
// [SQE.PrepSendBundle], or [SQE.SetBufGroup] after [SQE.PrepRecv] and the like.
// SkipSuccess does not go with it: nobody would know of the buffer.
//
// Completions may then have the number of a buffer of a BufRing, so buffer rings of
// the same Ring no longer notice that one was skipped. Hand all of theirs over, failed
// ones too, see [BufRing.Consume].
type RawBufRing struct {
	ring    *Ring
	group   uint16
	mask    uint32
	entries *arena.Mapping // shared with the kernel
	held    [][]byte       // what the entries point at
	added   []cgo.Slot     // not yet given to the kernel
	tail    uint32         // the position of the next buffer to give
	closed  bool
}

// NewRawBufRing makes a ring of buffers without any. Close it, or the Ring, when
// done. See io_uring_setup_buf_ring(3) and io_uring_register_buf_ring(3). Linux
// 5.19.
func (r *Ring) NewRawBufRing(c RawBufRingConfig) (*RawBufRing, error) {
	if err := r.usable(); err != nil {
		return nil, err
	}
	kind := BufRingConfig{Group: c.Group, Entries: c.Entries, BufSize: maxRegistered, Incremental: c.Incremental, MinLeft: c.MinLeft}
	if err := r.checkBufRing(kind); err != nil {
		return nil, err
	}
	entries, err := arena.Map(c.Entries*bufEntrySize, false)
	if err != nil {
		return nil, fmt.Errorf("uring: map %d entries of a buffer ring: %w", c.Entries, err)
	}
	if err := r.registerGroup(entries.Pointer(), 0, kind); err != nil {
		_ = entries.Unmap()
		return nil, err
	}
	b := &RawBufRing{ring: r, group: c.Group, mask: uint32(c.Entries - 1), entries: entries, held: make([][]byte, c.Entries)}
	if r.rawRings == nil {
		r.rawRings = map[uint16]*RawBufRing{}
	}
	r.rawRings[c.Group] = b
	r.groups[c.Group] = struct{}{}
	r.unwatch()
	live.Opened("raw buffer ring", b)
	return b, nil
}

// Group returns the buffer group.
func (b *RawBufRing) Group() uint16 { return b.group }

// Entries returns how many buffers it has room for.
func (b *RawBufRing) Entries() int { return len(b.held) }

// Add puts buffer id, which is mem, behind those that were added before. The kernel
// gets it with [RawBufRing.Advance]. mem may lie in an [Arena] or on the Go heap,
// and must not move or be reused until a completion returns it: the ring keeps it
// reachable until its entry is used again, or the Ring is closed. Which of the
// buffers that were added the kernel still has, and so how many may be added, is the
// program's account: one too many overwrites another's entry.
// See io_uring_buf_ring_add(3).
func (b *RawBufRing) Add(id uint16, mem []byte) error {
	switch {
	case b.closed || b.ring.gone():
		return ErrClosed
	case len(mem) == 0 || uint64(len(mem)) > math.MaxUint32:
		return fmt.Errorf("uring: buffer %d of %d bytes, want 1 to %d", id, len(mem), uint32(math.MaxUint32))
	case len(b.added) > int(b.mask):
		return fmt.Errorf("uring: buffer %d is one more than the %d entries: Advance gives them to the kernel", id, b.Entries())
	}
	b.held[(b.tail+uint32(len(b.added)))&b.mask] = mem
	b.added = append(b.added, cgo.Slot{Addr: address(mem), Len: uint32(len(mem)), BID: id})
	return nil
}

// Advance gives the kernel the buffers that were added since the last call, without
// a system call, and returns how many there were. See io_uring_buf_ring_advance(3)
// and io_uring_buf_ring_cq_advance(3).
func (b *RawBufRing) Advance() int {
	if b.closed || b.ring.gone() {
		return 0
	}
	n := len(b.added)
	cgo.Refill(b.entries.Pointer(), b.mask, b.added)
	b.tail += uint32(n)
	b.added = b.added[:0]
	return n
}

// Head is [BufRing.Head]: it asks the kernel for the position of the next buffer that
// it will pick, modulo 65536. The first buffer that was added has position 0.
// Linux 6.8. See io_uring_buf_ring_head(3).
func (b *RawBufRing) Head() (uint16, error) {
	if b.closed {
		return 0, ErrClosed
	}
	return b.ring.bufRingHead(b.group)
}

// Available returns how many buffers the kernel can still pick, one of which may be
// used in part. Linux 6.8. See io_uring_buf_ring_available(3).
func (b *RawBufRing) Available() (int, error) {
	head, err := b.Head()
	if err != nil {
		return 0, err
	}
	return int(uint16(b.tail) - head), nil
}

// Close takes the ring from the kernel. Cancel requests that still use the group, and
// wait for their last completions, first: one that has a buffer may write to it. The
// memory stays reachable until the Ring is closed. A second Close does nothing. See
// io_uring_free_buf_ring(3) and io_uring_unregister_buf_ring(3).
func (b *RawBufRing) Close() error {
	if b.closed {
		return nil
	}
	if err := b.ring.usable(); err != nil {
		return err
	}
	if err := check("unregister the buffer ring", b.ring.drv.UnregisterBufRing(uint32(b.group))); err != nil {
		return err
	}
	delete(b.ring.rawRings, b.group)
	delete(b.ring.groups, b.group)
	b.ring.rawClosed = append(b.ring.rawClosed, b.held)
	b.free()
	return nil
}

// free unmaps the entries, which the kernel does not use any more.
func (b *RawBufRing) free() {
	b.closed = true
	_ = b.entries.Unmap()
	live.Closed(b)
}

// checkBufRing refuses a buffer ring that the Ring or the kernel cannot have.
func (r *Ring) checkBufRing(c BufRingConfig) error {
	if err := c.check(); err != nil {
		return err
	}
	if _, taken := r.groups[c.Group]; taken {
		return fmt.Errorf("uring: buffer group %d is in use on this ring", c.Group)
	}
	if c.Incremental {
		if err := HaveIncremental(); err != nil {
			return err
		}
	}
	if c.MinLeft > 1 {
		return HaveMinLeft()
	}
	return nil
}

// bufRingHead asks for the position of the next buffer of a group.
func (r *Ring) bufRingHead(group uint16) (uint16, error) {
	if err := r.usable(); err != nil {
		return 0, err
	}
	rc := r.drv.BufRingHead(uint32(group))
	if rc == -int(syscall.EINVAL) {
		if err := HaveBufRingStatus(); err != nil {
			return 0, err
		}
	}
	if err := check(opBufRingHead, rc); err != nil {
		return 0, err
	}
	return uint16(rc), nil
}
