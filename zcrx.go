package uring

import (
	"errors"
	"fmt"
	"math/bits"
	"os"
	"syscall"
	"unsafe"

	"github.com/uring-go/uring/cgo"
	"github.com/uring-go/uring/internal/arena"
	"github.com/uring-go/uring/internal/kernel"
)

// A ZCRXConfig says how a network device receives for a ring without copying.
type ZCRXConfig struct {
	// Interface is the device's index, see [net.Interface], and Queue the
	// number of the one receive queue that the ring takes over. Use ethtool(8)
	// to steer the wanted flows to that queue, and to split headers from data.
	Interface, Queue int
	// NoDevice receives from any connection, by copying, and without Interface
	// and Queue: for tests on machines without such a device. Buffers may have
	// to be given back with [ZCRX.Flush]. Linux 7.1.
	NoDevice bool
	// The device writes into Memory, all of the arena, which cannot be closed
	// before the ring.
	Memory *Arena
	// DMABuf is set instead of Memory if the device writes into memory of
	// another device. Linux 6.16.
	DMABuf *DMABuf
	// BufSize is the size of the device's buffers in bytes: a power of two, at
	// least a page; 0 means a page. Each buffer must lie in contiguous memory,
	// as in huge pages. Linux 7.0.
	BufSize int
	// RefillEntries is the length of the [RefillRing], rounded up to a power of
	// two; the most is 32768. 0 means 4096. There should be an entry for each
	// piece that the program holds at a time, and some more.
	RefillEntries int
	// RefillMemory is the program's memory for the refill ring: a page, and 16
	// bytes for each entry. Without it the kernel allocates some.
	RefillMemory *Arena
}

// A DMABuf is memory of a device, such as a GPU's.
type DMABuf struct {
	FD   int // of the dma-buf; it may be closed afterwards
	Size int // all of it, in bytes
}

// A ZCRXID identifies a [ZCRX] to requests and other rings.
type ZCRXID uint32

// A ZCRX is a receive queue of a network device that writes what it receives
// into memory of the program. [SQE.PrepRecvZCMultishot] receives; each
// completion says where a piece of data lies, [ZCRX.Segment] finds it, and
// [ZCRXSegment.Release] gives its buffer back. It lasts until its ring closes.
type ZCRX struct {
	ring   *Ring
	id     ZCRXID
	memory *Arena // nil with a DMABuf
	size   uint64 // of the area, in bytes
	shift  int    // log2 of the size of a buffer
	lent   []uint32
	shared sharedMemory
	refill RefillRing
}

const (
	maxRefill     = 32768
	defaultRefill = 4096
)

// RegisterZCRX makes a receive queue of a network device write into memory of
// the program. The ring must have [SetupDeferTaskrun] and completions of 32
// bytes, the process CAP_NET_ADMIN, and the device a driver that supports it;
// where that is missing, the error matches [ErrNotSupported]. Linux 6.15. See
// io_uring_register_ifq(3).
func (r *Ring) RegisterZCRX(c ZCRXConfig) (*ZCRX, error) {
	if err := r.usable(); err != nil {
		return nil, err
	}
	if c.RefillEntries == 0 {
		c.RefillEntries = defaultRefill
	}
	if err := c.check(r); err != nil {
		return nil, err
	}
	reg, area := c.raw()
	region := describe(c.RefillMemory, os.Getpagesize()+roundUpPow2(c.RefillEntries)*refillEntrySize)
	rc := settled(func() int { return r.drv.RegisterZCRX(&reg, &area, &region) })
	if r.exists(rc) {
		return nil, fmt.Errorf("uring: RegisterZCRX: queue %d of interface %d is taken: %w", c.Queue, c.Interface, syscall.EEXIST)
	}
	if err := checkSince(opRegisterZCRX, rc, c.since(), "2.10"); err != nil {
		return nil, err
	}
	z := newZCRX(r, c, &reg)
	r.zcrx = append(r.zcrx, z) // the kernel has the memory now, whatever comes
	if err := z.shared.take(r, c.RefillMemory, &region); err != nil {
		return nil, wrapf("RegisterZCRX: %w", err)
	}
	ring, ok := cgo.NewRefillRing(z.shared.mem, &reg)
	if !ok {
		return nil, fmt.Errorf("uring: RegisterZCRX: the refill ring, %d entries from byte %d on, does not lie in its %d bytes", reg.Entries, reg.RQEs, len(z.shared.mem))
	}
	z.refill = RefillRing{zcrx: z, ring: ring, token: area.Token}
	return z, nil
}

func newZCRX(r *Ring, c ZCRXConfig, reg *cgo.ZCRXReg) *ZCRX {
	// What the kernel chose. Older kernels do not say, but none chooses less.
	size := max(int(reg.BufLen), os.Getpagesize())
	z := &ZCRX{ring: r, id: ZCRXID(reg.ID), memory: c.Memory, size: c.size(), shift: bits.Len(uint(size)) - 1}
	z.lent = make([]uint32, (z.size+uint64(size)-1)>>z.shift)
	if z.memory != nil {
		z.memory.use()
	}
	return z
}

// check explains what the kernel would refuse with a bare EINVAL.
func (c ZCRXConfig) check(r *Ring) error {
	page := os.Getpagesize()
	switch {
	case r.flags&SetupDeferTaskrun == 0 || r.flags&(SetupCQE32|SetupCQEMixed) == 0:
		return errors.New("uring: RegisterZCRX needs a ring with SetupDeferTaskrun, and SetupCQE32 or SetupCQEMixed")
	case c.RefillMemory == nil && r.FD() < 0:
		return errors.New("uring: RegisterZCRX needs the ring's descriptor, to map the kernel's memory; or set ZCRXConfig.RefillMemory")
	case c.NoDevice && (c.Interface != 0 || c.Queue != 0):
		return errors.New("uring: ZCRXConfig.NoDevice does not go with Interface or Queue")
	case !c.NoDevice && c.Interface < 1 || c.Queue < 0:
		return fmt.Errorf("uring: ZCRXConfig names queue %d of interface %d, want an interface from 1 on and a queue from 0 on", c.Queue, c.Interface)
	case (c.Memory == nil) == (c.DMABuf == nil):
		return errors.New("uring: ZCRXConfig needs one of Memory and DMABuf")
	case c.Memory != nil && c.Memory.Len() == 0:
		return wrapf("ZCRXConfig.Memory: %w", ErrClosed)
	case c.DMABuf != nil && (c.DMABuf.FD < 0 || c.DMABuf.Size <= 0 || c.DMABuf.Size%page != 0):
		return fmt.Errorf("uring: ZCRXConfig.DMABuf has %d bytes, want whole pages, and descriptor %d", c.DMABuf.Size, c.DMABuf.FD)
	case c.BufSize != 0 && (c.BufSize < page || c.BufSize&(c.BufSize-1) != 0 || c.BufSize > 1<<30):
		return fmt.Errorf("uring: ZCRXConfig.BufSize is %d, want a power of two from %d on", c.BufSize, page)
	case c.RefillEntries < 1 || c.RefillEntries > maxRefill:
		return fmt.Errorf("uring: ZCRXConfig.RefillEntries is %d, want 1 to %d, or 0 for %d", c.RefillEntries, maxRefill, defaultRefill)
	case c.RefillMemory != nil && c.RefillMemory.Len() < page+roundUpPow2(c.RefillEntries)*refillEntrySize:
		return fmt.Errorf("uring: ZCRXConfig.RefillMemory has %d bytes, want %d for %d entries", c.RefillMemory.Len(), page+roundUpPow2(c.RefillEntries)*refillEntrySize, roundUpPow2(c.RefillEntries))
	}
	return nil
}

func (c ZCRXConfig) raw() (cgo.ZCRXReg, cgo.ZCRXArea) {
	reg := cgo.ZCRXReg{
		Interface: uint32(c.Interface), Queue: uint32(c.Queue),
		Entries: uint32(roundUpPow2(c.RefillEntries)), BufLen: uint32(c.BufSize),
	}
	if c.NoDevice {
		reg.Flags = cgo.ZCRXRegNoDev
	}
	if c.DMABuf != nil {
		return reg, cgo.ZCRXArea{Len: uint64(c.DMABuf.Size), Flags: cgo.ZCRXAreaDMABuf, DMABufFD: uint32(c.DMABuf.FD)}
	}
	return reg, cgo.ZCRXArea{Addr: arena.Addr(c.Memory.Bytes()), Len: uint64(c.Memory.Len())}
}

// size is how many bytes of memory there are to receive into.
func (c ZCRXConfig) size() uint64 {
	if c.DMABuf != nil {
		return uint64(c.DMABuf.Size)
	}
	return uint64(c.Memory.Len())
}

// since returns the first kernel that accepts all of it.
func (c ZCRXConfig) since() kernel.Version {
	switch {
	case c.NoDevice:
		return kernel.V(7, 1)
	case c.BufSize != 0:
		return kernel.V(7, 0)
	case c.DMABuf != nil:
		return kernel.V(6, 16)
	}
	return kernel.V(6, 15)
}

// ID returns what [SQE.PrepRecvZCMultishot] takes.
func (z *ZCRX) ID() ZCRXID { return z.id }

// Refill returns the ring in which buffers go back to the kernel.
func (z *ZCRX) Refill() *RefillRing { return &z.refill }

// Flush makes the kernel take the buffers that are in the [RefillRing] now,
// which makes room there. Without it the kernel takes them when it needs
// buffers. Linux 6.19. See io_uring_register_zcrx_ctrl(3).
func (z *ZCRX) Flush() error {
	_, err := z.control("flush a refill ring", cgo.ZCRXCtrlFlushRQ)
	return err
}

// Export returns a descriptor that stands for the instance, for another ring's
// [Ring.ImportZCRX]; close it after that. Linux 6.19. See
// io_uring_register_zcrx_ctrl(3).
func (z *ZCRX) Export() (fd int, err error) {
	return z.control("export a zero-copy receive", cgo.ZCRXCtrlExport)
}

func (z *ZCRX) control(op string, what uint32) (int, error) {
	if err := z.ring.usable(); err != nil {
		return -1, err
	}
	rc := z.ring.drv.ZCRXControl(uint32(z.id), what)
	if err := checkSince(op, rc, kernel.V(6, 19), "2.15"); err != nil {
		return -1, err
	}
	return rc, nil
}

// ImportZCRX lets requests of the ring receive by an instance of another ring,
// given what [ZCRX.Export] returned. The completions come to this ring; the
// other ring's [ZCRX] makes segments of them and takes their buffers back. It
// does not lock: the two rings need one goroutine, or a lock around both. The
// ring needs what [Ring.RegisterZCRX] needs. Linux 6.19. See
// io_uring_register_ifq(3).
func (r *Ring) ImportZCRX(fd int) (ZCRXID, error) {
	if err := r.usable(); err != nil {
		return 0, err
	}
	if r.flags&SetupDeferTaskrun == 0 || r.flags&(SetupCQE32|SetupCQEMixed) == 0 {
		return 0, errors.New("uring: ImportZCRX needs a ring with SetupDeferTaskrun, and SetupCQE32 or SetupCQEMixed")
	}
	if fd < 0 {
		return 0, fmt.Errorf("uring: ImportZCRX: %d is no descriptor", fd)
	}
	reg := cgo.ZCRXReg{Interface: uint32(fd), Flags: cgo.ZCRXRegImport}
	rc := r.drv.RegisterZCRX(&reg, nil, nil)
	if rc == -int(syscall.EFAULT) { // an older kernel, which looks for memory first
		rc = -int(syscall.EINVAL)
	}
	if err := checkSince("import a zero-copy receive", rc, kernel.V(6, 19), "2.10"); err != nil {
		return 0, err
	}
	return ZCRXID(reg.ID), nil
}

// release lets go of the memory. The ring has been closed.
func (z *ZCRX) leave() {
	if z.memory != nil {
		z.memory.leave()
	}
	z.shared.leave()
}

// unmap ends the use of the refill ring.
func (z *ZCRX) unmap() error {
	z.refill = RefillRing{zcrx: z}
	return z.shared.unmap()
}

// A ZCRXSegment is a piece of received data in the memory of a [ZCRX]. It is a
// value; the bytes are the program's until its Release.
type ZCRXSegment struct {
	zcrx *ZCRX
	off  uint64 // in the area
	n    uint32
}

// Segment finds the data that a completion of [SQE.PrepRecvZCMultishot] brings:
// second is what [Ring.CompletionsBig] yields with it. For a completion without
// data, the end or an error (see [CQE.Err]), it returns the zero ZCRXSegment.
// Call it once for each completion. If the data does not lie in the memory, the
// error is [ErrBadCompletion].
func (z *ZCRX) Segment(c CQE, second [2]uint64) (ZCRXSegment, error) {
	if c.Res <= 0 {
		return ZCRXSegment{}, nil
	}
	s := ZCRXSegment{zcrx: z, off: second[0] &^ cgo.ZCRXAreaMask, n: uint32(c.Res)}
	switch {
	case z.ring.closed:
		return ZCRXSegment{}, ErrClosed
	case z.ring.flags&SetupCQEMixed != 0 && !c.Big():
		return ZCRXSegment{}, fmt.Errorf("%w: %d bytes of a zero-copy receive, and it does not say where", ErrBadCompletion, s.n)
	case second[0]&cgo.ZCRXAreaMask != z.refill.token:
		return ZCRXSegment{}, fmt.Errorf("%w: data in area %d, which is not this one", ErrBadCompletion, second[0]>>cgo.ZCRXAreaShift)
	case s.off+uint64(s.n) > z.size:
		return ZCRXSegment{}, fmt.Errorf("%w: %d bytes at %d of an area of %d", ErrBadCompletion, s.n, s.off, z.size)
	}
	z.lent[s.buffer()]++
	return s, nil
}

// buffer is the number of the buffer that the segment starts in.
func (s ZCRXSegment) buffer() uint64 { return s.off >> s.zcrx.shift }

// Bytes returns the data, valid until Release and while the ring is open. It is
// nil for the zero ZCRXSegment and for data in a [DMABuf].
func (s ZCRXSegment) Bytes() []byte {
	if s.n == 0 || s.zcrx.memory == nil || s.zcrx.ring.closed {
		return nil
	}
	return s.zcrx.memory.Bytes()[s.off : s.off+uint64(s.n)]
}

// Offset returns where in the memory the data starts.
func (s ZCRXSegment) Offset() int { return int(s.off) }

// Len returns how many bytes there are.
func (s ZCRXSegment) Len() int { return int(s.n) }

// Release gives the segment's buffer back, see [RefillRing.Return]. It does
// nothing for the zero ZCRXSegment.
func (s ZCRXSegment) Release() error {
	if s.n == 0 {
		return nil
	}
	_, err := s.zcrx.refill.Return(s)
	return err
}

// A RefillRing is how the buffers of a [ZCRX] go back to the kernel: a queue in
// memory that both share, without system calls. The kernel takes entries when
// it needs buffers.
type RefillRing struct {
	zcrx  *ZCRX
	ring  cgo.RefillRing
	token uint64 // the area's
}

// ErrRefillFull: the refill ring has no room. The segment is still lent; the
// kernel makes room when it needs buffers, and [ZCRX.Flush] makes it do so.
var ErrRefillFull = errors.New("uring: refill ring full; ZCRX.Flush makes room")

const refillEntrySize = int(unsafe.Sizeof(cgo.ZCRXRQE{}))

// Entries returns the ring's length.
func (q *RefillRing) Entries() int { return int(q.ring.Entries()) }

// Space returns how many entries are free.
//
//uring:covers io_uring_smp_load_acquire
func (q *RefillRing) Space() int {
	if q.ring.Entries() == 0 {
		return 0 // the ring is closed
	}
	return int(q.ring.Space())
}

// Return gives the buffers of segments back, all at once, and returns how many.
// It stops with [ErrRefillFull] if there is no room, and with [ErrReleased] at
// a segment that is not lent. The rest stays lent.
//
//uring:covers io_uring_smp_store_release
func (q *RefillRing) Return(segments ...ZCRXSegment) (int, error) {
	if q.zcrx.ring.closed {
		return 0, ErrClosed
	}
	for i, s := range segments {
		if err := q.put(s); err != nil {
			q.ring.Publish()
			return i, err
		}
	}
	q.ring.Publish()
	return len(segments), nil
}

func (q *RefillRing) put(s ZCRXSegment) error {
	switch {
	case s.zcrx != q.zcrx:
		return errors.New("uring: a segment goes back to the ZCRX that it comes from")
	case q.zcrx.lent[s.buffer()] == 0:
		return ErrReleased
	case q.ring.Space() == 0:
		return ErrRefillFull
	}
	q.zcrx.lent[s.buffer()]--
	q.ring.Put(s.off|q.token, s.n)
	return nil
}
