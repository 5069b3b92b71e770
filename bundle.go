package uring

import (
	"errors"
	"fmt"
	"math"
	"syscall"
	"unsafe"

	"github.com/uring-go/uring/cgo"
	"github.com/uring-go/uring/internal/arena"
	"github.com/uring-go/uring/internal/invariant"
	"github.com/uring-go/uring/internal/live"
)

// A SendMode is how a [SendQueue] hands its bytes to the kernel.
type SendMode int

// The send modes.
const (
	// SendAuto is SendBundle where the kernel has it, else SendVectored.
	SendAuto SendMode = iota
	// SendBundle puts everything that waits into a ring of buffers, and one
	// request sends all of it. Linux 6.10.
	SendBundle
	// SendVectored sends what waits with one message of up to 1024 parts.
	SendVectored
	// SendProvided sends one piece a request, from a ring of buffers. Linux 6.10.
	SendProvided
	// SendPlain sends one piece a request.
	SendPlain
	// SendZC sends one piece a request without copying it. Linux 6.0.
	SendZC
	// SendZCGather sends up to 1024 pieces a request without copying them, as
	// long as they lie in the same registered memory. That needs Linux 6.15;
	// on older kernels it works as SendZC does.
	SendZCGather
)

var sendModeNames = [...]string{"auto", "bundle", "vectored", "provided", "plain", "zc", "zc-gather"}

// String returns "bundle", "zc-gather" and so on.
func (m SendMode) String() string {
	if m < 0 || int(m) >= len(sendModeNames) {
		return fmt.Sprintf("SendMode(%d)", int(m))
	}
	return sendModeNames[m]
}

func (m SendMode) provided() bool { return m == SendBundle || m == SendProvided }
func (m SendMode) zeroCopy() bool { return m == SendZC || m == SendZCGather }

// have returns nil if the kernel can do it.
func (m SendMode) have() error {
	switch m {
	case SendBundle:
		return HaveSendBundles()
	case SendProvided:
		return HaveSendProvided()
	case SendZC, SendZCGather:
		return HaveSendZC()
	case SendAuto, SendVectored, SendPlain:
		return nil
	}
	return fmt.Errorf("uring: no send mode %d", int(m))
}

// A SendQueueConfig says how a [SendQueue] works.
type SendQueueConfig struct {
	// Token marks the completions of the queue's requests: they have its kind
	// and slot. The generation is the queue's to count with.
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
	// ZCMin makes the zero-copy modes copy when fewer bytes than this wait.
	ZCMin int
	// ZCAlways keeps the zero-copy modes from changing over to copying when
	// the kernel reports again and again that it had to copy.
	ZCAlways bool
}

const (
	defaultSendEntries = 256
	maxIovecs          = 1024
)

func (c SendQueueConfig) normalize() (SendQueueConfig, error) {
	if c.Entries == 0 {
		c.Entries = defaultSendEntries
	}
	switch {
	case c.Entries < 1 || c.Entries > maxEntries || c.Entries&(c.Entries-1) != 0:
		return c, fmt.Errorf("uring: SendQueueConfig.Entries is %d, want a power of two, 1 to %d", c.Entries, maxEntries)
	case c.Memory < 0 || c.Memory > maxRegistered:
		return c, fmt.Errorf("uring: SendQueueConfig.Memory is %d, want 0 to %d", c.Memory, maxRegistered)
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

// checkUse says what is wrong with what the queue is for.
func (q *SendQueue) checkUse() error {
	if _, taken := q.ring.queues[q.token]; taken {
		return fmt.Errorf("uring: another send queue of the ring has kind %d and slot %d in SendQueueConfig.Token; completions could not be told apart",
			Token(q.token).Kind(), Token(q.token).Slot())
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
			// Without locked memory to spare it works unregistered, and if that
			// needs too much as well, by copying.
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
	if q.group, err = q.ring.freeGroup(); err != nil {
		return err
	}
	if q.entries, err = arena.Map(q.cfg.Entries*int(unsafe.Sizeof(cgo.Slot{})), false); err != nil {
		return fmt.Errorf("uring: map %d entries of a send queue: %w", q.cfg.Entries, err)
	}
	rc := q.ring.drv.RegisterBufRing(q.entries.Pointer(), uint32(q.cfg.Entries), uint32(q.group), 0, 0)
	if err = check(opRegisterBufRing, rc); err != nil {
		return err
	}
	q.ring.groups[q.group] = struct{}{}
	return nil
}

// freeGroup finds a buffer group that nothing uses, from the top down.
func (r *Ring) freeGroup() (uint16, error) {
	for range 1 << 16 {
		r.freeTop--
		if _, taken := r.groups[r.freeTop]; !taken {
			return r.freeTop, nil
		}
	}
	return 0, errors.New("uring: all 65536 buffer groups of the ring are in use")
}

// Mode returns how bytes are sent at present. A zero-copy mode changes to
// SendVectored when the kernel cannot do without copying, or has no locked
// memory left for it.
func (q *SendQueue) Mode() SendMode { return q.mode }

// Queued returns how many bytes wait to be sent, those in flight included.
func (q *SendQueue) Queued() int { return q.out.bytes }

// InFlight says whether a send is in flight.
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
// when the kernel has sent it. On an error the segment stays the caller's. To
// send a part of a segment, make s.Bytes that part of itself first.
func (q *SendQueue) Append(s Segment) error {
	if err := q.accepts(s.br); err != nil {
		return err
	}
	if !s.br.arena.contains(s.Bytes) {
		return errors.New("uring: Append of a segment whose Bytes were replaced by other memory; Write copies that")
	}
	bid, err := s.take()
	if err != nil {
		return err
	}
	if len(s.Bytes) == 0 {
		s.br.release(bid)
		return nil
	}
	q.appendRun(piece{addr: arena.Addr(s.Bytes), n: uint32(len(s.Bytes)), br: s.br, bid: bid, bids: 1})
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
	if q.out.push(p) {
		p.br.release(p.bid) // one hold is enough
	}
}

// Flush gives the kernel a request for what waits, unless one is in flight. It
// becomes known to the kernel with the next submit; Flush submits only when
// the submission queue is full. It does nothing when nothing waits.
func (q *SendQueue) Flush() error { return q.flush(0) }

// FlushN is [SendQueue.Flush] for at most n bytes, all from the first piece that
// waits, for programs that pace what they send: a piece is what was received
// into one buffer, or what lies in one run in the queue's memory. In the modes
// that send from a ring of buffers the kernel takes the piece from the ring whole;
// its rest is sent from where it lies, with the next Flush or FlushN. That needs
// Linux 6.12; older kernels give [ErrNotSupported].
func (q *SendQueue) FlushN(n int) error {
	if n < 1 {
		return fmt.Errorf("uring: FlushN of %d bytes, want at least 1", n)
	}
	if q.mode.provided() {
		if err := HaveSendProvidedPart(); err != nil {
			return err
		}
	}
	return q.flush(n)
}

// flush starts a send, of at most limit bytes if that is not 0.
func (q *SendQueue) flush(limit int) error {
	if err := q.usable(); err != nil {
		return err
	}
	if q.inFlight || q.out.bytes == 0 || q.mode.zeroCopy() && q.zc.full() {
		return nil
	}
	s, err := q.nextSQE()
	if err != nil {
		return err
	}
	q.prepare(s, limit)
	q.flightGen = (q.flightGen + 1) & 0xffffff
	s.UserData = q.token | uint64(q.flightGen)<<32
	q.inFlight = true
	q.flightBytes = clip(q.out.span(q.flightEnd), limit)
	if int32(q.flightEnd-q.out.armed) > 0 {
		q.out.armed = q.flightEnd
	}
	q.stats.Requests++
	return nil
}

func (q *SendQueue) nextSQE() (SQE, error) {
	s, err := q.ring.NextSQE()
	if err != ErrSQFull {
		return s, err
	}
	if _, err := q.ring.Submit(); err != nil {
		return SQE{}, err
	}
	return q.ring.NextSQE()
}

// sendFlags: no signal for a broken connection, and no short sends but for
// errors.
const sendFlags = cgo.MsgNoSignal | cgo.MsgWaitAll

func (q *SendQueue) prepare(s SQE, limit int) {
	q.fromRing = false
	// Pieces that the kernel picked but did not send are in its ring no more.
	// They go first.
	repair := q.mode.provided() && int32(q.picked-q.out.sent) > 0
	if repair {
		q.stats.Resent++
	}
	switch {
	case q.mode.provided() && !repair:
		q.prepareProvided(s, limit)
	case q.mode.zeroCopy() && q.out.bytes >= q.cfg.ZCMin:
		q.prepareZC(s, limit)
	case q.mode == SendPlain || limit > 0:
		q.prepareFirst(s, cgo.OpSend, limit)
	case repair:
		q.prepareVectored(s, q.picked)
	default:
		q.prepareVectored(s, q.out.tail)
	}
}

// prepareProvided sends from the ring of buffers, after filling it up.
func (q *SendQueue) prepareProvided(s SQE, limit int) {
	q.publish()
	q.fromRing = true
	q.flightEnd = q.out.sent + 1
	part := 0 // all
	if limit > 0 {
		part = min(limit, int(q.out.at(q.out.sent).n))
	}
	s.prep(cgo.OpSend, q.fd, 0, uint32(part), 0)
	s.Flags |= cgo.SQEBufferSelect
	s.BufIndex = q.group
	s.OpFlags = sendFlags
	if q.mode == SendBundle && limit == 0 {
		// A bundle waits for all by itself, and a length would only limit its
		// first round.
		s.OpFlags = cgo.MsgNoSignal
		s.IOPrio = cgo.RecvSendBundle
		q.flightEnd = q.out.armed
	}
}

// prepareFirst sends the first piece, or limit bytes of it.
func (q *SendQueue) prepareFirst(s SQE, op uint8, limit int) {
	p := q.out.at(q.out.sent)
	s.prep(op, q.fd, p.addr+uint64(q.out.off), uint32(clip(int(p.n-q.out.off), limit)), 0)
	s.OpFlags = sendFlags
	q.flightEnd = q.out.sent + 1
}

// clip returns n, or limit if that is less and not 0.
func clip(n, limit int) int {
	if limit > 0 {
		return min(n, limit)
	}
	return n
}

// publish puts pieces into the ring of buffers until it is full.
func (q *SendQueue) publish() {
	room := uint32(q.cfg.Entries) - (q.out.armed - q.out.sent)
	n := min(q.out.tail-q.out.armed, room)
	if n == 0 {
		return
	}
	mask := uint32(q.cfg.Entries - 1)
	slots := q.ring.slots[:0]
	for pos := q.out.armed; pos != q.out.armed+n; pos++ {
		p := q.out.at(pos)
		slots = append(slots, cgo.Slot{Addr: p.addr, Len: p.n, BID: uint16(pos & mask)})
	}
	cgo.Refill(q.entries.Pointer(), mask, slots)
	q.ring.slots = slots
	q.out.armed += n
}

// prepareVectored sends pieces before end as the parts of one message.
func (q *SendQueue) prepareVectored(s SQE, end uint32) {
	q.gather(end, func(*piece) bool { return true })
	s.prep(cgo.OpSendMsg, q.fd, q.message(), 1, 0)
	s.OpFlags = sendFlags
}

// gather lists pieces before end, up to the first one that take refuses, as
// parts of a message and sets flightEnd behind them.
func (q *SendQueue) gather(end uint32, take func(*piece) bool) {
	q.iov = q.iov[:0]
	off, total := q.out.off, uint64(0)
	limit := min(q.cfg.Entries, maxIovecs)
	pos := q.out.sent
	for ; pos != end && len(q.iov) < limit; pos++ {
		p := q.out.at(pos)
		total += uint64(p.n)
		if tooLong := total > math.MaxInt32 && len(q.iov) > 0; tooLong || !take(p) {
			break
		}
		q.iov = append(q.iov, cgo.IovecAddr{Addr: p.addr + uint64(off), Len: uint64(p.n - off)})
		off = 0
	}
	q.flightEnd = pos
}

// message returns the address of the message header for the parts listed. The
// queue is on the heap, and reachable through its ring, so the header stays.
func (q *SendQueue) message() uint64 {
	q.hdr.Iov = unsafe.Pointer(unsafe.SliceData(q.iov))
	q.hdr.IovLen = uint64(len(q.iov))
	return uint64(uintptr(unsafe.Pointer(&q.hdr)))
}

// Owns says whether c belongs to one of the queue's requests.
func (q *SendQueue) Owns(c CQE) bool {
	return c.UserData&^tokenGeneration == q.token
}

// Complete accounts for a completion of one of the queue's requests and returns
// how many bytes it says the kernel has accepted. Sent segments are released.
// Call Flush afterwards, for what still waits.
//
// An error after which the stream cannot go on, such as EPIPE, is also
// [SendQueue.Err] from then on, and everything that waited is released. After
// others, such as ECANCELED for a cancelled send, all that was not sent still
// waits: Flush tries again.
func (q *SendQueue) Complete(c CQE) (int, error) {
	switch {
	case !q.Owns(c):
		return 0, fmt.Errorf("%w: user data %#x is not of this send queue", ErrBadCompletion, c.UserData)
	case q.closed:
		return 0, ErrClosed
	case c.Notif():
		return 0, q.notified(c)
	case !q.inFlight || c.Token().Generation() != q.flightGen:
		return 0, fmt.Errorf("%w: send %d is not in flight", ErrBadCompletion, c.Token().Generation())
	case int(c.Res) > q.flightBytes:
		return 0, fmt.Errorf("%w: %d bytes sent, %d were given to the kernel", ErrBadCompletion, c.Res, q.flightBytes)
	}
	n := max(int(c.Res), 0)
	zeroCopy := q.zc.flight
	over := zeroCopy || !c.More() // a bundle goes on after 256 buffers
	if over && q.fromRing {
		if err := q.findPicked(n); err != nil {
			return 0, err
		}
	}
	q.account(n)
	if zeroCopy {
		q.zc.result(c.More())
	}
	q.inFlight = !over
	q.settle()
	if err := c.Err(); err != nil && over {
		return n, q.failed(err.(syscall.Errno), zeroCopy)
	}
	return n, nil
}

// account notes that n bytes more were sent.
func (q *SendQueue) account(n int) {
	before := q.out.sent
	q.out.advance(n)
	q.flightBytes -= n
	q.stats.Bytes += uint64(n)
	q.stats.Pieces += uint64(q.out.sent - before)
}

// findPicked finds out which pieces the kernel has taken from its ring by the
// time the request in flight ends, with n bytes more: it takes them when it
// picks them, whether they are sent or not.
func (q *SendQueue) findPicked(n int) error {
	if n == q.flightBytes {
		q.picked = q.flightEnd
		return nil
	}
	head := q.ring.drv.BufRingHead(uint32(q.group))
	if head == -int(syscall.EEXIST) {
		return check(opBufRingHead, head)
	}
	q.picked = q.out.sent + uint32(uint16(head)-uint16(q.out.sent))
	if head < 0 || int32(q.out.armed-q.picked) < 0 || q.out.span(q.picked) < n {
		// Cannot be: a kernel that sends provided buffers answers, and truly.
		// What it would send from its ring is not known, so nothing is sent
		// from there any more.
		q.mode = SendVectored
	}
	return nil
}

// failed decides what the error of a request means for the stream.
func (q *SendQueue) failed(errno syscall.Errno, zeroCopy bool) error {
	switch errno {
	case syscall.ENOMEM, syscall.EOPNOTSUPP:
		if zeroCopy {
			// Locked memory is used up, or the socket cannot do it: copy.
			q.mode = SendVectored
			return nil
		}
	case syscall.EINTR, syscall.EAGAIN, syscall.ECANCELED, syscall.ENOBUFS:
		return &OpError{opSend, errno}
	}
	q.err = &OpError{opSend, errno}
	q.out.bytes = 0
	q.settle()
	return q.err
}

const opSend = "send"

// settle releases the pieces that nothing needs any more.
func (q *SendQueue) settle() {
	end := q.out.sent
	if q.err != nil {
		end = q.out.tail // what waits will never be sent
	}
	if first, ok := q.zc.first(); ok {
		end = first // where the oldest send without notification begins
	}
	for q.out.free != end {
		p := q.out.at(q.out.free)
		if p.br != nil {
			p.br.releaseRun(p.bid, p.bids)
			p.br = nil
		} else if invariant.On {
			poison(q.own.bytes(p))
		}
		q.own.r += uint64(p.own)
		q.out.free++
	}
	if q.err != nil && q.out.free == q.out.tail {
		q.out.sent, q.out.armed, q.out.off, q.out.bytes = q.out.tail, q.out.tail, 0, 0
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
		return fmt.Errorf("send queue: %w: a send is in flight, or its notification is still to come", ErrBusy)
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

// abandon releases everything; the kernel runs none of its requests any more.
// Memory of zero-copy sends that are still on their way is never released.
func (q *SendQueue) abandon() {
	q.closed = true
	if q.err == nil {
		q.err = ErrClosed
	}
	q.settle()
	delete(q.ring.queues, q.token)
	live.Closed(q)
	if q.Unnotified() > 0 {
		q.keepForever()
	}
	q.free()
}

// free unmaps the queue's memory.
func (q *SendQueue) free() {
	if q.entries != nil {
		_ = q.entries.Unmap()
	}
	if q.own.arena != nil {
		_ = q.own.arena.Close()
	}
}
