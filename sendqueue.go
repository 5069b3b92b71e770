package uring

import (
	"errors"
	"fmt"
	"syscall"
	"unsafe"

	"github.com/uring-go/uring/cgo"
	"github.com/uring-go/uring/internal/arena"
	"github.com/uring-go/uring/internal/live"
)

// A SendQueueConfig says how a [SendQueue] works.
type SendQueueConfig struct {
	// Token marks the completions of the queue's requests: they have its kind and
	// slot, and no other request of the ring may have both. The queue sets the
	// generation. With 0 the queue gets kind 255, and a slot that no other queue of
	// the ring has: see [SendQueue.Token].
	Token Token
	// Mode is how bytes are sent. A mode that the kernel lacks gives an error
	// that matches [ErrNotSupported]; SendAuto finds one that works.
	Mode SendMode
	// Entries is how many pieces one request takes at most: a power of two, up
	// to 32768, and 1024 for the vectored modes and SendZCGather. 0 means 256.
	Entries int
	// Memory is the size of the queue's own memory, for Write and Reserve, in
	// bytes. With 0 the queue only takes received bytes: Append and
	// AppendCompletion.
	Memory int
	// MaxCopied is how many bytes of memory the copies of received bytes may take
	// that the queue makes when buffers run short: see [BufRingConfig.Spare]. 0
	// means 1 MiB. What waits beyond that keeps its buffers.
	MaxCopied int
	// ZCMin makes the zero-copy modes copy when fewer bytes than this wait.
	ZCMin int
	// ZCAlways keeps the zero-copy modes from changing over to copying when
	// the kernel reports again and again that it had to copy.
	ZCAlways bool
}

const (
	defaultSendEntries = 256
	defaultMaxCopied   = 1 << 20
	maxIovecs          = 1024
)

func (c SendQueueConfig) normalize() (SendQueueConfig, error) {
	if c.Entries == 0 {
		c.Entries = defaultSendEntries
	}
	if c.MaxCopied == 0 {
		c.MaxCopied = defaultMaxCopied
	}
	switch {
	case c.Entries < 1 || c.Entries > maxEntries || c.Entries&(c.Entries-1) != 0:
		return c, fmt.Errorf("uring: SendQueueConfig.Entries is %d, want a power of two, 1 to %d", c.Entries, maxEntries)
	case c.Memory < 0 || c.Memory > maxRegistered:
		return c, fmt.Errorf("uring: SendQueueConfig.Memory is %d, want 0 to %d", c.Memory, maxRegistered)
	case c.MaxCopied < 0:
		return c, fmt.Errorf("uring: SendQueueConfig.MaxCopied is %d, want 0 or more", c.MaxCopied)
	case c.Token.Generation() != 0:
		return c, errors.New("uring: SendQueueConfig.Token has a generation; the queue counts it itself")
	}
	if c.Mode == SendAuto {
		c.Mode = SendBundle
		if HaveSendBundles() != nil {
			c.Mode = SendVectored
		}
	}
	return c, c.Mode.have()
}

// SendQueueStats counts what a [SendQueue] did.
type SendQueueStats struct {
	Requests      uint64 // sends given to the kernel
	Bytes         uint64 // accepted by it
	Pieces        uint64 // sent
	Resent        uint64 // requests for the rest of a short send
	ZeroCopy      uint64 // requests that were zero-copy sends
	Notifications uint64 // that came for them
	Copied        uint64 // of which the kernel had copied
	CopiedOut     uint64 // bytes copied out of receive buffers, see BufRingConfig.Spare
}

// A SendQueue is an outgoing sequence of bytes for one stream socket. Bytes go
// in with [SendQueue.Write], [SendQueue.Reserve] and [SendQueue.Commit], or, as
// they were received and without a copy, with [SendQueue.Append] and
// [SendQueue.AppendCompletion]. [SendQueue.Flush] starts to send what waits, and
// every completion of the queue's requests goes to [SendQueue.Complete]:
//
//	for c := range ring.Completions() {
//		if q.Owns(c) {
//			if _, err := q.Complete(c); err != nil { … }
//			q.Flush()
//		}
//	}
//
// Bytes leave in the order in which they came in. At most one send is in flight,
// as the kernel would reorder several; what a short send leaves is sent
// next. It belongs to the ring's goroutine.
type SendQueue struct {
	ring  *Ring
	fd    FD
	cfg   SendQueueConfig
	mode  SendMode // the present one
	out   pieces
	own   outMemory
	token uint64 // with generation 0

	buffers    int         // holds on buffers of BufRings
	copyMemory int         // bytes of chunks that it has, see copyOut
	copyAt     copyPoint   // where the next one goes
	copiedTo   uint32      // pieces before this position are not to be copied
	lenders    []*BufRing  // that have the queue in copies.queues
	source     *RecvStream // that goes on when enough was sent

	// The ring of buffers of the provided modes. Its positions are those of
	// the pieces.
	entries *arena.Mapping
	group   uint16
	picked  uint32 // the kernel has picked the pieces before it

	// The request in flight.
	inFlight    bool
	flightGen   uint32
	flightEnd   uint32 // it covers pieces before this position
	flightBytes int    // which it may still report as sent
	fromRing    bool   // it takes its pieces from the ring of buffers
	hdr         cgo.Msghdr
	iov         []cgo.IovecAddr
	zc          zcState

	err    error // why nothing can be sent any more
	closed bool
	stats  SendQueueStats
}

// NewSendQueue makes a send queue for fd. Close it when nothing is in flight,
// or close the Ring. The socket stays the caller's. See
// io_uring_prep_send_bundle(3).
func (r *Ring) NewSendQueue(fd FD, c SendQueueConfig) (*SendQueue, error) {
	if err := r.usable(); err != nil {
		return nil, err
	}
	c, err := c.normalize()
	if err != nil {
		return nil, err
	}
	if c.Token == 0 {
		c.Token = r.freeToken(queueKind, len(r.queues))
	}
	q := &SendQueue{ring: r, fd: fd, cfg: c, mode: c.Mode, token: uint64(c.Token)}
	if err := q.checkUse(); err != nil {
		return nil, err
	}
	if err := q.open(); err != nil {
		q.free()
		return nil, err
	}
	r.queues[q.token] = q
	live.Opened("send queue", q)
	return q, nil
}

const queueKind = 255

// Token returns the token of the queue's completions, with generation 0.
func (q *SendQueue) Token() Token { return Token(q.token) }

// checkUse returns the error of a token or socket that the queue cannot have.
func (q *SendQueue) checkUse() error {
	if q.ring.tokenTaken(Token(q.token)) {
		return errTokenTaken("SendQueueConfig", Token(q.token))
	}
	if q.fd.IsDirect() {
		return nil // there is no asking
	}
	if typ := cgo.SocketType(int(q.fd)); typ >= 0 && typ != cgo.SockStream {
		return errors.New("uring: a send queue joins and splits what is written, and is for stream sockets only")
	}
	return nil
}

func (q *SendQueue) open() (err error) {
	if q.cfg.Memory > 0 {
		if q.own.arena, err = NewArena(ArenaConfig{Size: q.cfg.Memory}); err != nil {
			return err
		}
		q.own.mem = q.own.arena.Bytes()[:q.cfg.Memory]
		if q.mode.zeroCopy() {
			// Without locked memory to spare the queue works with memory that is not
			// registered. If that needs too much, too, it copies.
			if q.own.reg, err = q.ring.RegisterArena(q.own.arena); err != nil && !errors.Is(err, syscall.ENOMEM) {
				return err
			}
		}
	}
	if q.mode.zeroCopy() {
		q.zc.open(q.mode)
	}
	if !q.mode.provided() {
		return nil
	}
	if q.entries, err = arena.Map(q.cfg.Entries*int(unsafe.Sizeof(cgo.Slot{})), false); err != nil {
		return fmt.Errorf("uring: map %d entries of a send queue: %w", q.cfg.Entries, err)
	}
	return q.registerGroup()
}

// Mode returns how bytes are sent at present. A zero-copy mode changes to
// SendVectored when the kernel cannot do without copying, or has no locked
// memory left for it.
func (q *SendQueue) Mode() SendMode { return q.mode }

// Queued returns how many bytes wait to be sent, those in flight included.
func (q *SendQueue) Queued() int { return q.out.bytes }

// Buffers returns how many buffers of a [BufRing] the queue holds. Each counts,
// however few bytes in it wait; one that holds bytes of several queues counts in
// each.
func (q *SendQueue) Buffers() int { return q.buffers }

// CopyMemory returns how many bytes of memory the queue's copies of received bytes
// take: see [BufRingConfig.Spare]. Those of zero-copy sends count until they are
// notified.
func (q *SendQueue) CopyMemory() int { return q.copyMemory }

// InFlight reports whether a send is in flight.
func (q *SendQueue) InFlight() bool { return q.inFlight }

// Space returns how many bytes Write would take.
func (q *SendQueue) Space() int { return len(q.own.mem) - int(q.own.w-q.own.r) }

// Stats returns what happened so far.
func (q *SendQueue) Stats() SendQueueStats { return q.stats }

// Err returns why the queue stopped: the error of a send after which the stream
// is broken. It is nil while the queue works.
func (q *SendQueue) Err() error { return q.err }

// usable returns the error of adding bytes or sending.
func (q *SendQueue) usable() error {
	if q.closed || q.ring.closed {
		return ErrClosed
	}
	return q.err
}

// Write copies p into the queue's memory. When there is too little room it
// copies what fits, and returns its length with [ErrQueueFull]. It ends a
// reservation that was not committed.
func (q *SendQueue) Write(p []byte) (int, error) {
	if err := q.usable(); err != nil {
		return 0, err
	}
	if len(q.own.mem) == 0 && len(p) > 0 {
		return 0, errors.New("uring: Write to a send queue without memory of its own: set SendQueueConfig.Memory")
	}
	q.own.startOver()
	n := 0
	for n < len(p) {
		room := q.own.room()
		if len(room) == 0 {
			return n, ErrQueueFull
		}
		k := copy(room, p[n:])
		q.out.push(q.own.take(0, k))
		n += k
	}
	return n, nil
}

// Reserve lends n bytes of the queue's memory to be filled in place, and sent
// once [SendQueue.Commit] is called. The error is [ErrQueueFull] when there is
// no room for them now.
func (q *SendQueue) Reserve(n int) ([]byte, error) {
	if err := q.usable(); err != nil {
		return nil, err
	}
	if n < 0 || n > len(q.own.mem) {
		return nil, fmt.Errorf("uring: Reserve of %d bytes from a send queue with %d bytes of memory", n, len(q.own.mem))
	}
	q.own.startOver()
	room := q.own.room()
	pad := q.wrapPad(n)
	if pad > 0 {
		room = q.own.mem
	} else if len(room) < n {
		return nil, ErrQueueFull
	}
	q.own.reserved, q.own.pad = n, pad
	return room[:n:n], nil
}

// wrapPad returns how many bytes at the end of the memory must be skipped to
// get n in one piece from its start, or 0 if that does not work or need not be.
func (q *SendQueue) wrapPad(n int) int {
	m := &q.own
	if len(m.mem) == 0 {
		return 0
	}
	at := int(m.w % uint64(len(m.mem)))
	rest := len(m.mem) - at
	if rest >= n || rest+n > q.Space() {
		return 0
	}
	return rest
}

// Commit queues the first n bytes of what [SendQueue.Reserve] lent last.
func (q *SendQueue) Commit(n int) error {
	if err := q.usable(); err != nil {
		return err
	}
	if n < 0 || n > q.own.reserved {
		return fmt.Errorf("uring: Commit of %d bytes, %d are reserved", n, q.own.reserved)
	}
	if n > 0 {
		q.out.push(q.own.take(q.own.pad, n))
	}
	q.own.reserved = 0
	return nil
}

// Append queues a received segment without copying it. The queue releases it
// when the kernel has sent it, or when it copies the bytes: do not use s.Bytes
// any more. On an error the segment stays the caller's. To
// send a part of a segment, make s.Bytes that part of itself first.
func (q *SendQueue) Append(s Segment) error {
	if err := q.accepts(s.br); err != nil {
		return err
	}
	if !s.br.arena.contains(s.Bytes) {
		return errors.New("uring: Append of a segment whose Bytes were replaced by other memory; Write copies that")
	}
	bid, err := s.endLease()
	if err != nil {
		return err
	}
	if len(s.Bytes) == 0 {
		s.br.release(bid)
		return nil
	}
	q.appendRun(piece{addr: arena.Addr(s.Bytes), n: uint32(len(s.Bytes)), br: s.br, bid: bid, bids: 1})
	if s.br.out > s.br.most {
		s.br.relieve()
	}
	return nil
}

// AppendCompletion queues all bytes that completion c brought to br, without
// copying them, and returns their number. It is [BufRing.Segments] and
// [SendQueue.Append] in one. When the queue takes nothing any more, the bytes are
// dropped, and their buffers go back.
func (q *SendQueue) AppendCompletion(br *BufRing, c CQE) (int, error) {
	if err := q.accepts(br); err != nil {
		if br != nil {
			err = errors.Join(err, br.discard(c))
		}
		return 0, err
	}
	w, err := br.begin(c)
	if err != nil {
		return 0, err
	}
	n := int(w.left)
	for w.left > 0 {
		q.appendRun(w.run(maxRun))
	}
	if br.out > br.most {
		br.relieve()
	}
	return n, c.Err()
}

func (q *SendQueue) accepts(br *BufRing) error {
	if err := q.usable(); err != nil {
		return err
	}
	if br == nil || br.ring != q.ring {
		return errors.New("uring: a send queue takes segments of its own Ring only")
	}
	return nil
}

// appendRun queues p, a run of received bytes, with its holds on their buffers.
func (q *SendQueue) appendRun(p piece) {
	p.reg = unregistered
	if p.br.reg.arena != nil {
		p.reg = int16(p.br.reg.index)
	}
	q.buffers += int(p.bids)
	if q.out.push(p) {
		p.br.release(p.bid) // one hold is enough
		q.buffers--
	}
	if p.br.copies.most > 0 {
		p.br.lends(q)
	}
}

// Close frees the queue and releases what still waits in it. It returns
// [ErrBusy], and does nothing, while the kernel uses its memory: when a send is
// in flight, which can be cancelled with [SQE.PrepCancelFD], or a notification
// is still to come. A second Close does nothing.
func (q *SendQueue) Close() error {
	if q.closed {
		return nil
	}
	if q.inFlight || q.Unnotified() > 0 {
		return wrapf("send queue: %w: a send is in flight, or its notification is still to come", ErrBusy)
	}
	if err := q.ring.usable(); err != nil {
		return err
	}
	if q.entries != nil {
		if err := check("unregister the buffer ring", q.ring.drv.UnregisterBufRing(uint32(q.group))); err != nil {
			return err
		}
		delete(q.ring.groups, q.group)
	}
	if q.ring.buffers.holds(q.own.reg) {
		if err := q.ring.UnregisterArena(q.own.reg); err != nil {
			return err
		}
	}
	q.abandon()
	return nil
}

// abandon releases everything; the kernel runs none of its requests any more, and
// no notification can come.
func (q *SendQueue) abandon() {
	q.closed = true
	if q.err == nil {
		q.err = ErrClosed
	}
	q.zc.begin = q.zc.end
	q.releaseSent()
	delete(q.ring.queues, q.token)
	for _, b := range q.lenders {
		b.forgetQueue()
	}
	q.lenders = nil
	live.Closed(q)
	q.free()
}

// free unmaps the queue's memory.
func (q *SendQueue) free() {
	if q.entries != nil {
		_ = q.entries.Unmap()
	}
	if q.own.arena != nil {
		q.own.arena.abandon()
	}
}
