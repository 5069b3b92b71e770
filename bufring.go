package uring

import (
	"errors"
	"fmt"
	"math"
	"syscall"
	"unsafe"

	"github.com/uring-go/uring/cgo"
	"github.com/uring-go/uring/internal/arena"
	"github.com/uring-go/uring/internal/kernel"
	"github.com/uring-go/uring/internal/live"
)

// A BufRingConfig says what buffers a [BufRing] has.
type BufRingConfig struct {
	// Group names the ring of buffers in requests, where the methods of SQE put
	// it: see io_uring_sqe_set_buf_group(3). It must be unique within the Ring.
	Group uint16
	// Entries is the number of buffers: a power of two, 1 to 32768.
	Entries int
	// BufSize is the size of each buffer in bytes, at most 1 GiB.
	BufSize int
	// Incremental lets a receive take only the part of a buffer that it
	// needs; the next one goes on after it. Linux 6.12.
	Incremental bool
	// MinLeft retires a buffer of an incremental ring as soon as fewer bytes
	// than this are left in it, so that no receive gets a useless rest. The rest
	// is wasted. Datagrams and messages need at least their largest size.
	//
	// 0 and 1 both use every byte. With 0, receives of datagrams and from direct
	// descriptors, which may be datagram sockets, are refused. 1 accepts them, at
	// the risk that a short rest truncates a datagram; so do pipes whose writer has
	// O_DIRECT. Values above 1 need Linux 7.1, 7.0.13, 6.18.44 or 6.12.107, and do
	// not go with [Bundle].
	MinLeft int
	// HugePages asks for huge pages for the buffers.
	HugePages bool
	// Registered registers the buffers with the ring as well, so that what was
	// received can be sent on without a copy: see [SendQueue].
	Registered bool
	// Spare is how many buffers send queues leave to receives. When fewer are left
	// for the kernel, queues copy what was received and waits in them, what waits
	// longest first, and the buffers go back: so a peer that does not read does not
	// keep buffers from others. What an outstanding send takes cannot be copied, as
	// the kernel reads it; when no more than Spare are left nothing is lent to
	// sends any more, so outstanding sends keep at most Entries - Spare buffers,
	// and one that was half filled. 0 copies nothing, and Entries all.
	Spare int
	// CopyMemory is how many bytes of memory these copies may take in all, at most
	// 1 GiB. 0 means four times what the buffers hold, and at least 1 MiB. When it is
	// used up, queues keep buffers as without Spare: it bounds how many peers that do
	// not read are borne. [SendQueueConfig.MaxCopied] is the bound of each queue.
	CopyMemory int
	// KernelMemory makes the kernel allocate the ring of entries, though not the
	// buffers; it is then part of the kernel's memory, not of the program's
	// (IOU_PBUF_RING_MMAP). The Ring must have a descriptor, and Group must be
	// below 2048. Linux 6.4.
	KernelMemory bool
}

func (c BufRingConfig) check() error {
	switch {
	case c.Entries < 1 || c.Entries > maxEntries:
		return fmt.Errorf("uring: BufRingConfig.Entries is %d, want 1 to %d", c.Entries, maxEntries)
	case c.Entries&(c.Entries-1) != 0:
		return fmt.Errorf("uring: BufRingConfig.Entries is %d, want a power of two such as %d", c.Entries, roundUpPow2(c.Entries))
	case c.BufSize < 1 || c.BufSize > maxRegistered:
		return fmt.Errorf("uring: BufRingConfig.BufSize is %d, want 1 to %d", c.BufSize, maxRegistered)
	case c.MinLeft < 0 || c.MinLeft > c.BufSize:
		return fmt.Errorf("uring: BufRingConfig.MinLeft is %d, want 0 to BufSize, %d", c.MinLeft, c.BufSize)
	case c.MinLeft > 0 && !c.Incremental:
		return fmt.Errorf("uring: BufRingConfig.MinLeft is %d, but only an incremental ring keeps a rest: set Incremental, or leave it 0", c.MinLeft)
	case c.Spare < 0 || c.Spare > c.Entries:
		return fmt.Errorf("uring: BufRingConfig.Spare is %d, want 0 to Entries, %d", c.Spare, c.Entries)
	case c.CopyMemory < 0 || c.CopyMemory > maxCopyMemory:
		return fmt.Errorf("uring: BufRingConfig.CopyMemory is %d, want 0 to %d", c.CopyMemory, maxCopyMemory)
	case c.CopyMemory > 0 && c.Spare == 0:
		return fmt.Errorf("uring: BufRingConfig.CopyMemory is %d, but nothing is copied without Spare", c.CopyMemory)
	case c.Registered && c.Entries*c.BufSize > maxRegistered:
		return fmt.Errorf("uring: BufRingConfig.Registered: %d bytes of buffers, the kernel registers at most %d", c.Entries*c.BufSize, maxRegistered)
	}
	return nil
}

// maxCopyMemory is as much as may be mapped without a thought.
const maxCopyMemory = 1 << 30

// copyMemory returns how many bytes copies may take.
func (c BufRingConfig) copyMemory() int {
	switch {
	case c.Spare == 0:
		return 0
	case c.CopyMemory == 0:
		return min(max(4*c.Entries*c.BufSize, 1<<20), maxCopyMemory)
	}
	return c.CopyMemory
}

// A BufRing is a ring of buffers from which the kernel takes as data arrives:
// a provided buffer ring. Give it to the receive methods of [SQE], and their
// completions to [BufRing.Consume] or [BufRing.Segments], in the order in
// which they come.
//
// A buffer goes back to the kernel by itself, at the next submit, when the
// kernel has let go of it and every slice of it has been released.
//
// Where the bytes of a completion lie follows from the order in which buffers were
// given to the kernel, and from the lengths of all completions so far. A BufRing
// keeps that account itself, and compares it with what else the kernel reports.
//
//uring:covers io_uring_buf_ring_init io_uring_buf_ring_mask io_uring_buf_ring_add io_uring_buf_ring_advance
//uring:covers io_uring_buf_ring_cq_advance __io_uring_buf_ring_cq_advance
type BufRing struct {
	ring        *Ring
	group       uint16
	first       uint16 // the kernel's number of buffer 0
	incremental bool
	minLeft     uint32 // as configured
	least       uint32 // a buffer with less room left is retired
	size        uint32 // of a buffer
	mask        uint32

	entries *arena.Mapping // shared with the kernel
	arena   *Arena         // the buffers, side by side
	data    unsafe.Pointer // start of the arena
	base    uint64         // its address
	reg     RegBuf

	// The shadow of what the kernel has. Positions count up for ever; their low
	// 16 bits are the kernel's.
	order []uint16 // position & mask -> buffer
	bufs  []buffer // by buffer ID
	head  uint32   // the first position that is not retired
	tail  uint32   // the position of the next buffer to give back
	upTo  uint32   // positions from head up to here may have been used out of order

	returned []uint16 // buffers on their way back to the kernel
	doubts   []doubt  // buffers that may have been lost, see settleDoubts
	queued   bool     // ring.unsent has this BufRing
	leases   leaseTable

	watched    bool   // completions tell that they are this BufRing's
	arrived    uint32 // completions with bytes that the queue handed out
	taken      uint32 // of which the program has handed over
	singles    bool   // a request may have moved to a worker thread, see forecast
	since      uint32 // arrived when singles became true
	handed     []CQE  // with singles: what is not handed over yet
	looked     uint32 // the tail of the completion queue at the last forecast
	unverified bool   // ring.unverified has this BufRing
	broken     error  // the account and the kernel disagree

	bundles      bool // may be received: see haveBundles
	limits       bool // the kernel can end a multishot receive: see haveLimit
	async        bool // a request may hold a buffer: in a worker thread, or half filled
	closed       bool
	kernelMemory bool // the entries are the kernel's, mapped by the ring's descriptor
	detached     bool // the memory goes when the last slice is released
	out          int  // buffers that the program has
	most         int  // of them that queues may hold: see relieve
	copies       copyPool
	starved      fifo[*RecvStream] // wait for buffers
	dry          bool              // the kernel had none for a stream since the last came back
	waking       bool              // see wake
	waited       bool              // for feedPause, and streams were not fed since
	fed          uint64            // stats.Bytes when they were last
	stats        BufRingStats
}

// A buffer is in the kernel's ring, or with the program, or on its way back.
type buffer struct {
	pos   uint32 // position in the ring, if inRing
	off   uint32 // the receive point: bytes before it were received
	refs  uint32 // slices lent, or claimed by a completion that is being walked
	next  uint16 // the buffer in which the completion that claimed this one goes on
	state bufState
}

// A doubt is about a buffer that a completion named without bringing bytes.
type doubt struct {
	pos uint32
	bid uint16
}

type bufState uint16

const (
	inRing   bufState = iota // the kernel may fill it
	retired                  // the program has it
	returned                 // the program has done with it
)

// BufRingStats counts what a [BufRing] did.
type BufRingStats struct {
	Completions uint64 // that carried bytes
	Bytes       uint64 // received
	Buffers     uint64 // retired
	Wasted      uint64 // bytes of retired buffers that held nothing
	Mismatches  uint64 // completions whose IORING_CQE_F_BUF_MORE was not as accounted
	Lent        int    // slices not yet released
	InKernel    int    // buffers that the kernel has or will have at the next submit

	// With BufRingConfig.Spare:
	CopiedOut  uint64 // bytes that send queues have copied
	CopyFull   uint64 // times that there was no memory for that
	CopyMemory int    // bytes of memory that copies take now
}

// NewBufRing makes a ring of buffers and gives all of them to the kernel.
// Close it, or the Ring, when done. See io_uring_setup_buf_ring(3) and
// io_uring_register_buf_ring(3). Linux 5.19.
func (r *Ring) NewBufRing(c BufRingConfig) (*BufRing, error) {
	if err := r.usable(); err != nil {
		return nil, err
	}
	if err := r.checkBufRing(c); err != nil {
		return nil, err
	}
	b := &BufRing{
		ring: r, group: c.Group, incremental: c.Incremental,
		minLeft: uint32(c.MinLeft), least: uint32(max(c.MinLeft, 1)),
		size: uint32(c.BufSize), mask: uint32(c.Entries - 1),
		order: make([]uint16, c.Entries), bufs: make([]buffer, c.Entries),
		returned: make([]uint16, 0, c.Entries),
	}
	if err := b.open(c); err != nil {
		return nil, err
	}
	b.most = math.MaxInt
	if c.Spare > 0 {
		b.most = c.Entries - c.Spare
		b.copies.open(c.copyMemory())
	}
	r.bufRings[c.Group] = b
	r.groups[c.Group] = struct{}{}
	live.Opened("buffer ring", b)
	for bid := range b.bufs {
		b.returned = append(b.returned, uint16(bid))
	}
	b.watch()
	b.refill()
	return b, nil
}

// open maps the memory and registers it; on an error nothing is left.
func (b *BufRing) open(c BufRingConfig) (err error) {
	if err = b.mapEntries(c); err != nil {
		return err
	}
	defer func() {
		if err != nil {
			b.dropEntries(c)
		}
	}()
	if b.arena, err = NewArena(ArenaConfig{Size: c.Entries * c.BufSize, HugePages: c.HugePages}); err != nil {
		return err
	}
	b.data = unsafe.Pointer(unsafe.SliceData(b.arena.Bytes()))
	b.base = arena.Addr(b.arena.Bytes())
	if c.Registered {
		if b.reg, err = b.ring.registerMapping(b.arena); err != nil {
			_ = b.arena.Close()
			return err
		}
	}
	if c.KernelMemory {
		return nil // registered by mapEntries
	}
	if err = b.ring.registerGroup(b.entries.Pointer(), 0, c); err != nil {
		b.freeArena()
	}
	return err
}

// Group returns the buffer group.
func (b *BufRing) Group() uint16 { return b.group }

// BufSize returns the size of each buffer in bytes.
func (b *BufRing) BufSize() int { return int(b.size) }

// Entries returns the number of buffers.
func (b *BufRing) Entries() int { return len(b.bufs) }

// Incremental reports whether buffers are consumed piece by piece.
func (b *BufRing) Incremental() bool { return b.incremental }

// Registered returns the buffers as a registered buffer; ok is false if they
// are not: see BufRingConfig.Registered.
func (b *BufRing) Registered() (reg RegBuf, ok bool) { return b.reg, b.reg.arena != nil }

// Stats returns what happened so far.
func (b *BufRing) Stats() BufRingStats {
	s := b.stats
	s.InKernel = len(b.bufs) - b.out
	s.CopyMemory = b.copies.used * int(b.copies.size)
	return s
}

// Head asks the kernel for the position of the next buffer that it will pick,
// modulo 65536. Linux 6.8. See io_uring_buf_ring_head(3).
func (b *BufRing) Head() (uint16, error) {
	if b.closed {
		return 0, ErrClosed
	}
	return b.ring.bufRingHead(b.group)
}

// Available returns how many buffers the kernel can still pick, one of which
// may be used in part. Buffers that were released, but not yet submitted, do
// not count. Linux 6.8. See io_uring_buf_ring_available(3).
func (b *BufRing) Available() (int, error) {
	head, err := b.Head()
	if err != nil {
		return 0, err
	}
	return int(uint16(b.tail) - head), nil
}

// maxMappedGroup is the last group whose number fits into an offset for mmap(2).
const maxMappedGroup = (1<<32 - 1 - cgo.OffMMapMask) >> cgo.OffPbufShift

const bufEntrySize = int(unsafe.Sizeof(cgo.Slot{}))

// mapEntries maps the entries. Those in the kernel's memory are there, and so
// must be registered, before they can be mapped.
func (b *BufRing) mapEntries(c BufRingConfig) (err error) {
	size := c.Entries * bufEntrySize
	if !c.KernelMemory {
		if b.entries, err = arena.Map(size, false); err != nil {
			return fmt.Errorf("uring: map %d entries of a buffer ring: %w", c.Entries, err)
		}
		return nil
	}
	if c.Group > maxMappedGroup {
		return fmt.Errorf("uring: BufRingConfig.KernelMemory: Group is %d, the kernel can map 0 to %d", c.Group, maxMappedGroup)
	}
	if b.ring.FD() < 0 {
		return errors.New("uring: BufRingConfig.KernelMemory: the Ring has no descriptor to map the memory by")
	}
	b.kernelMemory = true
	if err := b.ring.registerGroup(nil, cgo.PbufRingMMap, c); err != nil {
		return err
	}
	off := int64(cgo.OffPbufRing) | int64(c.Group)<<cgo.OffPbufShift
	if b.entries, err = arena.MapFile(b.ring.FD(), off, size); err != nil {
		b.ring.drv.UnregisterBufRing(uint32(c.Group))
		return fmt.Errorf("uring: map %d entries of a buffer ring from the kernel: %w", c.Entries, err)
	}
	return nil
}

// dropEntries undoes mapEntries.
func (b *BufRing) dropEntries(c BufRingConfig) {
	if c.KernelMemory {
		b.ring.drv.UnregisterBufRing(uint32(c.Group))
	}
	_ = b.entries.Unmap()
}

// registerGroup registers a buffer group whose entries lie at mem.
func (r *Ring) registerGroup(mem unsafe.Pointer, flags uint32, c BufRingConfig) error {
	minLeft := uint32(0)
	if c.Incremental {
		flags |= cgo.PbufRingInc
	}
	if c.MinLeft > 1 {
		minLeft = uint32(c.MinLeft)
	}
	rc := settled(func() int {
		return r.drv.RegisterBufRing(mem, uint32(c.Entries), uint32(c.Group), flags, minLeft)
	})
	if r.exists(rc) {
		return fmt.Errorf("uring: buffer group %d is in use on this ring: it has buffers of PrepProvideBuffers, which PrepRemoveBuffers takes out: %w", c.Group, syscall.EEXIST)
	}
	if flags&cgo.PbufRingMMap != 0 {
		return checkSince(opRegisterBufRing, rc, kernel.V(6, 4), "")
	}
	return check(opRegisterBufRing, rc)
}
