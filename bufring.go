package uring

import (
	"errors"
	"fmt"
	"iter"
	"syscall"
	"unsafe"

	"github.com/uring-go/uring/cgo"
	"github.com/uring-go/uring/internal/arena"
	"github.com/uring-go/uring/internal/invariant"
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
	// needs; the next one goes on behind it. Linux 6.12.
	Incremental bool
	// MinLeft retires a buffer of an incremental ring as soon as fewer bytes
	// than this are left in it, so that no receive gets a useless rest; the
	// rest is wasted. Datagrams and messages need at least their largest size.
	// 0 and 1 both use every byte, but 1 says that the rest may be as short as
	// it likes, and so allows datagrams, which a short rest truncates. Values
	// above 1 need Linux 7.1, 7.0.13, 6.18.44 or 6.12.107.
	MinLeft int
	// HugePages asks for huge pages for the buffers.
	HugePages bool
	// Registered registers the buffers with the ring as well, so that what was
	// received can be sent on without a copy: see [SendQueue].
	Registered bool
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
	case c.Registered && c.Entries*c.BufSize > maxRegistered:
		return fmt.Errorf("uring: BufRingConfig.Registered: %d bytes of buffers, the kernel registers at most %d", c.Entries*c.BufSize, maxRegistered)
	}
	return nil
}

// A BufRing is a ring of buffers from which the kernel takes as data arrives:
// a provided buffer ring. Give it to the receive methods of [SQE], and their
// completions to [BufRing.Consume] or [BufRing.Segments], in the order in
// which they come.
//
// A buffer goes back to the kernel by itself, at the next submit, when the
// kernel has let go of it and every slice of it has been released. In C that is
// a program's own business, with io_uring_buf_ring_init(3),
// io_uring_buf_ring_mask(3), io_uring_buf_ring_add(3),
// io_uring_buf_ring_advance(3), io_uring_buf_ring_cq_advance(3) and
// __io_uring_buf_ring_cq_advance(3).
//
// Which bytes a completion is about follows from the order in which buffers
// were given to the kernel and from the lengths of all completions so far; a
// BufRing keeps that account itself. It relies on what the kernel reports
// beyond that only to check, as kernels differ.
type BufRing struct {
	ring        *Ring
	group       uint16
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
	// disorder says that a buffer behind head is not with the kernel any more.
	disorder bool

	returned []uint16 // buffers on their way back to the kernel
	doubts   []doubt  // buffers that may have been lost, see settleDoubts
	queued   bool     // ring.unsent has this BufRing
	leases   leaseTable

	bundles  bool // may be received: see haveBundles
	async    bool // a request may hold a buffer: in a worker thread, or half filled
	closed   bool
	detached bool // the memory goes when the last slice is released
	out      int  // buffers that the program has
	stats    BufRingStats
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
}

// NewBufRing makes a ring of buffers and gives all of them to the kernel.
// Close it, or the Ring, when done. See io_uring_setup_buf_ring(3) and
// io_uring_register_buf_ring(3). Linux 5.19.
func (r *Ring) NewBufRing(c BufRingConfig) (*BufRing, error) {
	if err := r.usable(); err != nil {
		return nil, err
	}
	if err := c.check(); err != nil {
		return nil, err
	}
	if _, taken := r.groups[c.Group]; taken {
		return nil, fmt.Errorf("uring: buffer group %d is in use on this ring", c.Group)
	}
	if c.Incremental {
		if err := HaveIncremental(); err != nil {
			return nil, err
		}
	}
	if c.MinLeft > 1 {
		if err := HaveMinLeft(); err != nil {
			return nil, err
		}
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
	r.bufRings[c.Group] = b
	r.groups[c.Group] = struct{}{}
	live.Opened("buffer ring", b)
	for bid := range b.bufs {
		b.returned = append(b.returned, uint16(bid))
	}
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
	if err = check(opRegisterBufRing, b.ring.registerGroup(b.entries.Pointer(), 0, c)); err != nil {
		if c.Registered {
			_ = b.ring.UnregisterArena(b.reg)
		}
		_ = b.arena.Close()
	}
	return err
}

// Group returns the buffer group.
func (b *BufRing) Group() uint16 { return b.group }

// BufSize returns the size of each buffer in bytes.
func (b *BufRing) BufSize() int { return int(b.size) }

// Entries returns the number of buffers.
func (b *BufRing) Entries() int { return len(b.bufs) }

// Incremental says whether buffers are consumed piece by piece.
func (b *BufRing) Incremental() bool { return b.incremental }

// Registered returns the buffers as a registered buffer; ok is false if they
// are not: see BufRingConfig.Registered.
func (b *BufRing) Registered() (reg RegBuf, ok bool) { return b.reg, b.reg.arena != nil }

// Stats returns what happened so far.
func (b *BufRing) Stats() BufRingStats {
	s := b.stats
	s.InKernel = len(b.bufs) - b.out
	return s
}

// Head asks the kernel for the position of the next buffer that it will pick,
// modulo 65536. Linux 6.8. See io_uring_buf_ring_head(3).
func (b *BufRing) Head() (uint16, error) {
	if b.closed {
		return 0, ErrClosed
	}
	if err := b.ring.usable(); err != nil {
		return 0, err
	}
	rc := b.ring.drv.BufRingHead(uint32(b.group))
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

// Consume hands the bytes that completion c brought to fn, one call for each
// buffer they lie in, in the order in which they were received. It returns the
// completion's error if it has one, or that of fn, which is then not called
// again; the other bytes of the completion are dropped. With no bytes, as at
// the end of a stream, fn is not called.
//
// p is memory shared with the kernel: it must not be used after fn returns.
// Every completion of a request with provided buffers must go through Consume
// or [BufRing.Segments] once, failed ones too: they may give back a buffer.
func (b *BufRing) Consume(c CQE, fn func(p []byte) error) error {
	w, err := b.begin(c)
	if err != nil {
		return err
	}
	defer w.drop() // what fn did not get to see, even when it panics
	for w.left > 0 {
		p := w.bytes()
		err := fn(p)
		if invariant.On {
			poison(p)
		}
		b.release(w.step())
		if err != nil {
			return err
		}
	}
	return c.Err()
}

// Segments yields the bytes that completion c brought, one segment for each
// buffer they lie in, in the order in which they were received. Each must be
// released, when and in whichever order suits; until then its bytes stay as
// they are. Segments that a broken loop did not get to are dropped. An error,
// that of the completion or [ErrBadCompletion], comes once, with an empty
// segment; a completion without bytes yields nothing. Loop over it once.
//
// See [BufRing.Consume] for the simple form, and for which completions must be
// handed over.
func (b *BufRing) Segments(c CQE) iter.Seq2[Segment, error] {
	return func(yield func(Segment, error) bool) {
		w, err := b.begin(c)
		if err != nil {
			yield(Segment{}, err)
			return
		}
		defer w.drop()
		for w.left > 0 {
			if !yield(w.segment(), nil) {
				return
			}
		}
		if err := c.Err(); err != nil {
			yield(Segment{}, err)
		}
	}
}

// begin finds the bytes of c in the shadow ring and takes all of them from the
// kernel's side of the account, before any is handed out: what the caller does
// meanwhile, such as handling further completions, must find it up to date.
// Failed completions, and those without bytes, may have cost a buffer; see
// settleDoubts. A completion that is refused changes nothing.
func (b *BufRing) begin(c CQE) (walk, error) {
	if b.detached {
		return walk{}, ErrClosed
	}
	bid, ok := c.BufferID()
	if !ok {
		if c.Res > 0 {
			return walk{}, b.bad(c, "it names no buffer")
		}
		return walk{b: b}, nil
	}
	if int(bid) >= len(b.bufs) || b.bufs[bid].state != inRing {
		return walk{}, b.bad(c, "the kernel did not have that buffer")
	}
	if c.Res <= 0 {
		b.doubts = append(b.doubts, doubt{b.bufs[bid].pos, bid})
		b.queue()
		return walk{b: b}, nil
	}
	n := uint32(c.Res)
	end, kept, ok := b.span(bid, n)
	if !ok {
		return walk{}, b.bad(c, "it claims more bytes than the kernel had room for")
	}
	if pos := b.bufs[bid].pos; pos != b.head {
		if !b.reached(end) {
			return walk{}, b.bad(c, "the kernel has not come to that buffer")
		}
		b.skipTo(pos)
	}
	b.stats.Completions++
	b.stats.Bytes += uint64(n)
	if kept != c.BufferMore() {
		b.stats.Mismatches++
	}
	w := walk{b: b, left: n, bid: bid, off: b.bufs[bid].off}
	b.claim(bid, n)
	return w, nil
}

func (b *BufRing) bad(c CQE, why string) error {
	return fmt.Errorf("%w: group %d, result %d, flags %#x: %s", ErrBadCompletion, b.group, c.Res, c.Flags, why)
}

// span finds how far n bytes reach, from where buffer bid is filled to: end is
// the position after the last buffer that they use up, and kept says that the
// kernel keeps the one there, which they begin to fill. ok is false if the
// kernel had not that much room.
func (b *BufRing) span(bid uint16, n uint32) (end uint32, kept, ok bool) {
	pos, room := b.bufs[bid].pos, b.size-b.bufs[bid].off
	if n > room && pos == b.head && !b.disorder {
		// All buffers behind it are whole.
		whole := (n - room - 1) / b.size
		if whole >= b.tail-pos-1 {
			return 0, false, false
		}
		n -= room + whole*b.size
		pos, room = pos+1+whole, b.size
	}
	for n > room {
		// A bundle goes on in the next buffer, which must be there and whole.
		n -= room
		pos++
		buf := &b.bufs[b.order[pos&b.mask]]
		if buf.pos != pos || buf.state != inRing || buf.off != 0 {
			return 0, false, false
		}
		room = b.size
	}
	if b.incremental && room-n >= b.least {
		return pos, true, true
	}
	return pos + 1, false, true
}

// claim takes n bytes from buffer bid on, with a hold on each buffer, and
// retires those that they use up.
func (b *BufRing) claim(bid uint16, n uint32) {
	for {
		if n > b.size && !b.disorder && b.bufs[bid].pos == b.head && b.bufs[bid].off == 0 {
			bid, n = b.claimWhole(bid, n)
		}
		buf := &b.bufs[bid]
		part := min(n, b.size-buf.off)
		n -= part
		buf.off += part
		buf.refs++
		b.stats.Lent++
		if !b.incremental || b.size-buf.off < b.least {
			b.retire(bid)
		}
		if n == 0 {
			return
		}
		buf.next = b.order[(buf.pos+1)&b.mask]
		bid = buf.next
	}
}

// claimWhole is claim for buffers that n bytes fill, from the first one in the
// ring on, but for the last of them. It returns what is left.
func (b *BufRing) claimWhole(bid uint16, n uint32) (uint16, uint32) {
	pos := b.head
	for ; n > b.size; n -= b.size {
		buf := &b.bufs[bid]
		pos++
		buf.off, buf.refs, buf.state = b.size, 1, retired
		buf.next = b.order[pos&b.mask]
		bid = buf.next
	}
	whole := int(pos - b.head)
	b.head = pos
	b.out += whole
	b.stats.Buffers += uint64(whole)
	b.stats.Lent += whole
	return bid, n
}

// skipTo retires the buffers before pos that an incremental ring still has: the
// kernel has gone past them without saying so. In a classic ring their
// completions are still to come: requests in worker threads complete out of
// order.
func (b *BufRing) skipTo(pos uint32) {
	for b.incremental && int32(pos-b.head) > 0 {
		b.lose(b.order[b.head&b.mask])
	}
}

// lose retires a buffer that brought nothing more.
func (b *BufRing) lose(bid uint16) {
	b.retire(bid)
	if b.bufs[bid].refs == 0 {
		b.giveBack(bid)
	}
}

// settleDoubts finds out which buffers went with completions that brought no
// bytes. Some completions that name a buffer have cost it, as at the end of a
// file, and others have not, and what they say differs between kernels. The
// kernel's head tells, once all completions are handled: before that, it may
// have passed the buffer for one that still waits.
func (b *BufRing) settleDoubts() {
	if len(b.doubts) == 0 {
		return
	}
	// Ask first and look for completions then: each is there by the time the
	// head has moved.
	pos, err := b.letGo()
	if b.ring.ready() > 0 || b.ring.Overflowed() {
		return
	}
	if err != nil && !errors.Is(err, ErrNotSupported) {
		return
	}
	for _, d := range b.doubts {
		buf := &b.bufs[d.bid]
		if buf.state != inRing || buf.pos != d.pos {
			continue // a later completion was about it
		}
		// Kernels too old to be asked have always let go of it.
		if err != nil || int32(pos-d.pos) > 0 {
			b.skipTo(d.pos)
			b.lose(d.bid)
		}
	}
	b.doubts = b.doubts[:0]
}

// reached says whether the kernel has let go of all buffers before pos, as far
// as it can be asked.
func (b *BufRing) reached(pos uint32) bool {
	at, err := b.letGo()
	return err != nil || int32(at-pos) >= 0
}

// letGo asks for the position before which the kernel has let go of all
// buffers.
func (b *BufRing) letGo() (uint32, error) {
	head, err := b.Head()
	// The kernel knows the low 16 bits, and is not behind this account.
	return b.head + uint32(head-uint16(b.head)), err
}

// A walk goes over the bytes that a completion claimed.
type walk struct {
	b    *BufRing
	left uint32 // bytes to come
	off  uint32 // where they start in the buffer
	bid  uint16 // the buffer that comes next
}

// bytes returns the slice that comes next.
func (w *walk) bytes() []byte {
	b := w.b
	n := min(w.left, b.size-w.off)
	return unsafe.Slice((*byte)(unsafe.Add(b.data, uintptr(w.bid)*uintptr(b.size)+uintptr(w.off))), n)
}

// step goes past that slice and returns its buffer, which is still held.
func (w *walk) step() (bid uint16) {
	bid = w.bid
	w.left -= min(w.left, w.b.size-w.off)
	w.off = 0
	w.bid = w.b.bufs[bid].next
	return bid
}

// run goes past slices that lie one behind the other in memory, most bytes of
// them or one, and returns them as a piece with its holds.
func (w *walk) run(most uint32) piece {
	b := w.b
	p := piece{addr: b.base + uint64(w.bid)*uint64(b.size) + uint64(w.off), br: b, bid: w.bid}
	for {
		n := min(w.left, b.size-w.off)
		p.n += n
		p.bids++
		w.left -= n
		w.off = 0
		bid := w.bid
		w.bid = b.bufs[bid].next
		if w.left == 0 || w.bid != bid+1 || p.n+b.size > most {
			return p
		}
	}
}

// segment is bytes and step with a lease, which can be given back once.
func (w *walk) segment() Segment {
	p := w.bytes()
	lease, gen := w.b.leases.open(w.step())
	return Segment{Bytes: p, br: w.b, lease: lease, gen: gen}
}

// drop releases what is left of the completion.
func (w *walk) drop() {
	for w.left > 0 {
		w.b.release(w.step())
	}
}

// discard drops the bytes that c brought.
func (b *BufRing) discard(c CQE) error {
	w, err := b.begin(c)
	w.drop()
	return err
}

// retire takes a buffer from the kernel's side of the account.
func (b *BufRing) retire(bid uint16) {
	buf := &b.bufs[bid]
	buf.state = retired
	b.out++
	b.stats.Buffers++
	b.stats.Wasted += uint64(b.size - buf.off)
	if buf.pos == b.head && !b.disorder {
		b.head++
		return
	}
	b.disorder = true
	for b.head != b.tail {
		first := &b.bufs[b.order[b.head&b.mask]]
		if first.state == inRing && first.pos == b.head {
			break
		}
		b.head++
	}
	b.disorder = b.head != b.tail
}

// release ends the loan of one slice of a buffer.
func (b *BufRing) release(bid uint16) {
	buf := &b.bufs[bid]
	buf.refs--
	b.stats.Lent--
	if b.detached {
		if b.stats.Lent == 0 {
			b.free()
		}
		return
	}
	if buf.refs == 0 && buf.state == retired {
		b.giveBack(bid)
	}
}

// releaseRun releases one slice of each of n buffers from bid on.
func (b *BufRing) releaseRun(bid, n uint16) {
	if b.closed || n == 1 {
		for i := range n {
			b.release(bid + i)
		}
		return
	}
	before := len(b.returned)
	for end := bid + n; bid != end; bid++ {
		buf := &b.bufs[bid]
		if buf.refs--; buf.refs == 0 && buf.state == retired {
			buf.state, buf.off = returned, 0
			b.returned = append(b.returned, bid)
		}
	}
	b.stats.Lent -= int(n)
	b.gaveBack(before)
}

// gaveBack sees to it that the buffers returned since there were n get to the
// kernel.
func (b *BufRing) gaveBack(n int) {
	if invariant.On {
		for _, bid := range b.returned[n:] {
			poison(b.buffer(bid))
		}
	}
	b.out -= len(b.returned) - n
	b.queue()
}

// giveBack puts a buffer on its way to the kernel.
func (b *BufRing) giveBack(bid uint16) {
	if b.closed {
		return
	}
	buf := &b.bufs[bid]
	buf.state, buf.off = returned, 0
	b.returned = append(b.returned, bid)
	b.gaveBack(len(b.returned) - 1)
}

// queue asks the ring to call publish at the next submit.
func (b *BufRing) queue() {
	if !b.queued {
		b.queued = true
		b.ring.unsent = append(b.ring.unsent, b)
	}
}

// publish gives the returned buffers to the kernel. It says whether it must be
// called again.
func (b *BufRing) publish() (again bool) {
	if b.closed {
		return false
	}
	b.settleDoubts()
	b.refill()
	b.queued = len(b.doubts) > 0
	return b.queued
}

func (b *BufRing) refill() {
	if len(b.returned) == 0 {
		return
	}
	for _, bid := range b.returned {
		if invariant.On {
			invariant.Check(b.bufs[bid].refs == 0, "buffer %d given to the kernel with %d slices lent", bid, b.bufs[bid].refs)
		}
		b.order[b.tail&b.mask] = bid
		b.bufs[bid].pos, b.bufs[bid].state = b.tail, inRing
		b.tail++
	}
	cgo.RefillIDs(b.entries.Pointer(), b.mask, b.base, b.size, b.returned)
	b.returned = b.returned[:0]
}

func (b *BufRing) buffer(bid uint16) []byte {
	lo := int(bid) * int(b.size)
	return b.arena.Bytes()[lo : lo+int(b.size)]
}

// poison overwrites memory whose loan has ended: whoever kept it will notice.
func poison(p []byte) {
	for i := range p {
		p[i] = 0xDB
	}
}

// Close takes the buffers from the kernel. It returns [ErrBusy], and does
// nothing, while slices are lent. Cancel requests that still use the group, and
// wait for their last completions, first: they end with ENOBUFS, or take the
// buffers of the group's next user. Memory that one of them may still write to
// is kept until the Ring is closed. A second Close does nothing. See
// io_uring_free_buf_ring(3) and io_uring_unregister_buf_ring(3).
func (b *BufRing) Close() error {
	if b.closed {
		return nil
	}
	if b.stats.Lent > 0 {
		return fmt.Errorf("buffer ring %d: %w: %d slices are lent; release them first", b.group, ErrBusy, b.stats.Lent)
	}
	if err := b.ring.usable(); err != nil {
		return err
	}
	b.settleDoubts()
	quiet := b.quiet()
	if err := check("unregister the buffer ring", b.ring.drv.UnregisterBufRing(uint32(b.group))); err != nil {
		return err
	}
	delete(b.ring.bufRings, b.group)
	delete(b.ring.groups, b.group)
	b.closed = true
	if !quiet {
		// A buffer is with a request that has not completed yet, or there is no
		// way to tell: the memory must outlive the request.
		b.ring.unfreed = append(b.ring.unfreed, b)
		return nil
	}
	b.detach()
	return nil
}

// quiet says that no request uses a buffer: none may be in the middle of one,
// and the kernel can pick all that it has by this account.
func (b *BufRing) quiet() bool {
	n, err := b.Available()
	return err == nil && n == len(b.bufs)-b.out-len(b.returned) && !b.async
}

// abandon is Close when the ring goes: no request runs any more.
func (b *BufRing) abandon() {
	b.closed = true
	b.detach()
}

// detach frees the memory, or leaves that to the last release.
func (b *BufRing) detach() {
	b.detached = true
	if b.stats.Lent == 0 {
		b.free()
	}
}

func (b *BufRing) free() {
	if b.ring.buffers.holds(b.reg) {
		_ = b.ring.UnregisterArena(b.reg)
	}
	_ = b.entries.Unmap()
	_ = b.arena.Close()
	live.Closed(b)
}

// keepForever takes the memory out of the count of what must be closed: a
// zero-copy send may use it after the ring is gone.
func (b *BufRing) keepForever() {
	live.Closed(b)
	live.Closed(b.arena)
}

// checkRecv says what is wrong with a receive into b.
func (b *BufRing) checkRecv(s SQE, fd FD, msgFlags int, flags IOFlags) error {
	if err := b.checkUse(s, msgFlags); err != nil {
		return err
	}
	if flags&^(PollFirst|Bundle) != 0 {
		return fmt.Errorf("uring: I/O flags %#x do not go with a receive", uint16(flags&^(PollFirst|Bundle)))
	}
	if flags&Bundle != 0 {
		if err := b.haveBundles(); err != nil {
			return err
		}
		if msgFlags&cgo.MsgWaitAll != 0 {
			return errors.New("uring: MSG_WAITALL does not go with a receive bundle: the kernel could lose buffers")
		}
	}
	return b.checkRest(fd)
}

// checkRest says whether what fd brings must not meet the rest of a buffer.
func (b *BufRing) checkRest(fd FD) error {
	if !b.incremental || b.minLeft > 0 || fd.IsDirect() {
		return nil
	}
	if typ := cgo.SocketType(int(fd)); typ == cgo.SockDgram || typ == cgo.SockSeqpacket {
		return errors.New("uring: an incremental buffer ring truncates datagrams that meet a short rest: set BufRingConfig.MinLeft to the largest datagram")
	}
	return nil
}

// checkRead says what is wrong with a read into b. Where the kernel cannot wait
// for data, it takes as much of an incremental buffer as was asked for, not as
// much as it fills, and no completion tells.
func (b *BufRing) checkRead(s SQE, fd FD) error {
	if err := b.checkUse(s, 0); err != nil {
		return err
	}
	if !b.incremental {
		return nil
	}
	if fd.IsDirect() {
		return errors.New("uring: a direct descriptor may be a file, whose reads an incremental buffer ring cannot account for: use PrepRecvProvided for a socket, or a ring without Incremental")
	}
	if typ := cgo.FileType(int(fd)); typ == cgo.SIFReg || typ == cgo.SIFBlk {
		return errors.New("uring: an incremental buffer ring cannot account for reads of files: use a ring without Incremental")
	}
	return b.checkRest(fd)
}

// haveBundles says why bundles cannot be received into b. To find out takes a
// few milliseconds in a process's first call.
func (b *BufRing) haveBundles() error {
	if b.bundles {
		return nil
	}
	have := HaveBundles
	if b.incremental {
		have = HaveIncrementalBundles
	}
	err := have()
	b.bundles = err == nil
	return err
}

// checkRecvMsg says what is wrong with a multishot receive of messages into b.
func (b *BufRing) checkRecvMsg(s SQE, m *Msg, msgFlags int) error {
	if err := b.checkUse(s, msgFlags&^cgo.MsgTrunc); err != nil {
		return err
	}
	if b.incremental && int(b.minLeft) < m.overhead() {
		return fmt.Errorf("uring: an incremental buffer ring for messages needs BufRingConfig.MinLeft of at least the header, %d, and the largest payload: it is %d", m.overhead(), b.minLeft)
	}
	if int(b.size) < m.overhead() {
		return fmt.Errorf("uring: buffers of %d bytes have no room for a message's header of %d", b.size, m.overhead())
	}
	return nil
}

var errAsyncIncremental = errors.New("uring: Async does not go with an incremental buffer ring: the kernel would lose track of the receive point")

func (b *BufRing) checkUse(s SQE, msgFlags int) error {
	switch {
	case b == nil:
		return errors.New("uring: no buffer ring; Ring.NewBufRing makes one")
	case b.closed:
		return fmt.Errorf("buffer ring %d: %w", b.group, ErrClosed)
	case b.ring != s.ring:
		return fmt.Errorf("uring: buffer ring %d belongs to another Ring", b.group)
	case msgFlags&cgo.MsgTrunc != 0:
		return errors.New("uring: MSG_TRUNC makes a completion claim more bytes than its buffer holds; PrepRecvMsgMultishot reports truncation")
	case msgFlags&cgo.MsgPeek != 0:
		return errors.New("uring: MSG_PEEK would use up provided buffers for the same bytes again and again")
	case msgFlags&cgo.MsgWaitAll != 0 && b.incremental:
		return errors.New("uring: MSG_WAITALL does not go with an incremental buffer ring: the kernel would overwrite received bytes")
	case s.SQE.Flags&cgo.SQEAsync != 0 && b.incremental:
		return errAsyncIncremental
	}
	return nil
}

// A leaseTable remembers which segments are out, so that releasing one twice
// cannot take a buffer from under another.
type leaseTable struct {
	leases []lease
	free   int32 // index+1 of the first free one
}

type lease struct {
	gen  uint32 // odd while out
	bid  uint16
	next int32
}

func (t *leaseTable) open(bid uint16) (index, gen uint32) {
	if t.free == 0 {
		t.leases = append(t.leases, lease{})
		t.free = int32(len(t.leases))
	}
	index = uint32(t.free - 1)
	l := &t.leases[index]
	t.free = l.next
	l.gen++
	l.bid = bid
	return index, l.gen
}

func (t *leaseTable) close(index, gen uint32) (bid uint16, ok bool) {
	if int(index) >= len(t.leases) || t.leases[index].gen != gen {
		return 0, false
	}
	l := &t.leases[index]
	l.gen++
	l.next = t.free
	t.free = int32(index + 1)
	return l.bid, true
}

// A Segment is a slice of a buffer that the program holds.
type Segment struct {
	// Bytes is memory shared with the kernel, as it was received. It must not
	// be used after Release.
	Bytes []byte

	br    *BufRing
	lease uint32
	gen   uint32
}

// Release ends the use of the segment. When all segments of a buffer that the
// kernel has let go of are released, the buffer goes back to it at the next
// submit. A second Release, of this value or a copy, gives [ErrReleased] and
// does nothing. It belongs to the ring's goroutine, like everything else.
func (s Segment) Release() error {
	bid, err := s.take()
	if err != nil {
		return err
	}
	s.br.release(bid)
	return nil
}

// take ends the lease, and leaves its hold on the buffer to the caller.
func (s Segment) take() (bid uint16, err error) {
	if s.br == nil {
		return 0, fmt.Errorf("uring: empty segment: %w", ErrReleased)
	}
	bid, ok := s.br.leases.close(s.lease, s.gen)
	if !ok {
		return 0, ErrReleased
	}
	return bid, nil
}
