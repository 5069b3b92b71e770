package uring

import (
	"errors"
	"fmt"
	"io"
	"iter"
	"math"
	"syscall"

	"github.com/uring-go/uring/cgo"
	"github.com/uring-go/uring/internal/live"
)

// A RecvStreamConfig says how a [RecvStream] works.
type RecvStreamConfig struct {
	// Token marks the completions of the stream's requests: they have its kind and
	// slot, and no other request of the ring may have both. The stream sets the
	// generation. With 0 the stream gets kind 254, and a slot that no other stream
	// of the ring has: see [RecvStream.Token].
	Token Token
	// To gets what is received, and holds the stream back: see MaxBytes. Without it
	// the program takes the bytes, from [RecvStream.Segments] or
	// [RecvStream.Consume], and holds the stream back with [RecvStream.Pause].
	To *SendQueue
	// MaxBytes is how many bytes may wait in To. Then nothing is received until half
	// of them are sent. A receive that is under way may bring more than that, at
	// most what one completion brings since Linux 6.17, and all that is there before,
	// but only until To was full for the first time. 0 means 256 KiB. While the
	// buffers run short, see [BufRingConfig.Spare], it is one buffer, or 16 KiB if
	// that is more.
	MaxBytes int
	// MaxBuffers is how many buffers To may hold, as MaxBytes is for bytes: what
	// waits in one keeps all of it. 0 means a quarter of the buffers.
	MaxBuffers int
	// Bundle lets a completion cover several buffers, at most a quarter of all.
	// Linux 6.10.
	Bundle bool
	// Single receives once with each request.
	Single bool
}

const (
	defaultMaxBytes = 256 << 10
	leastMaxBytes   = 16 << 10 // when buffers run short
	streamKind      = 254
)

func (c RecvStreamConfig) normalize(b *BufRing) (RecvStreamConfig, error) {
	if c.MaxBytes == 0 {
		c.MaxBytes = defaultMaxBytes
	}
	if c.MaxBuffers == 0 {
		c.MaxBuffers = max(len(b.bufs)/4, 1)
	}
	switch {
	case c.MaxBytes < 1:
		return c, fmt.Errorf("uring: RecvStreamConfig.MaxBytes is %d, want 1 or more, or 0", c.MaxBytes)
	case c.MaxBuffers < 1:
		return c, fmt.Errorf("uring: RecvStreamConfig.MaxBuffers is %d, want 1 or more, or 0", c.MaxBuffers)
	case c.Token.Generation() != 0:
		return c, errors.New("uring: RecvStreamConfig.Token has a generation; the stream counts it itself")
	case c.To != nil && c.To.ring != b.ring:
		return c, errors.New("uring: RecvStreamConfig.To is a send queue of another Ring")
	case c.To != nil && c.To.source != nil:
		return c, errors.New("uring: RecvStreamConfig.To gets what another stream receives")
	}
	return c, nil
}

// RecvStreamStats counts what a [RecvStream] did.
type RecvStreamStats struct {
	Requests    uint64 // receives given to the kernel
	Completions uint64 // that carried bytes
	Bytes       uint64 // received
	Held        uint64 // times that receiving stopped, as too much waited in To
	Starved     uint64 // times that it stopped for want of buffers
}

// A RecvStream is what comes in on one stream socket: the counterpart of
// [SendQueue]. It receives into buffers that it shares with others, until the end of
// the stream or an error, and every completion of its requests goes to
// [RecvStream.Complete]:
//
//	for c := range ring.Completions() {
//		switch {
//		case in.Owns(c):
//			in.Complete(c)
//			out.Flush()
//			if in.Err() == io.EOF { … }
//		case out.Owns(c):
//			out.Complete(c)
//			out.Flush()
//		}
//	}
//
// It uses multishot receives, limited where the kernel can, and single ones where
// those could take too much or miss something: when buffers run short, for one who
// was held back on a kernel without limits, and after the peer has gone, which a
// poll beside the receive tells, as multishot receives can miss it: see
// [SQE.PrepRecvMultishot]. When there are no buffers it waits until some are back;
// those that wait longest receive first, then, each once.
//
// It goes on by itself: in Complete, in Complete of To, and when the ring submits,
// for which it takes entries of the submission queue. It belongs to the ring's
// goroutine.
type RecvStream struct {
	ring  *Ring
	fd    FD
	br    *BufRing
	cfg   RecvStreamConfig
	token uint64 // with generation 0

	gen      uint32 // of the last receive
	pending  int    // requests whose last completion is still to come
	armed    bool   // a receive is in flight
	multi    bool   // which is multishot, and does not end by itself
	stopping bool   // it is being cancelled
	polling  bool   // a poll is in flight
	left     bool   // the peer has gone
	paused   bool   // by the program
	held     bool   // until less waits in To
	slow     bool   // was held before
	starving bool   // br.starved has it
	err      error  // why nothing more comes
	closed   bool
	stats    RecvStreamStats
}

// What a completion is of, in the low bits of its generation. The others count
// receives.
const (
	streamRecv uint32 = iota
	streamPoll
	streamCancel
	streamWake
	streamWhat = 3
)

// NewRecvStream makes a stream of what comes in on fd, into buffers of br, and
// queues its first receive, which the kernel gets with the next submit. Close it
// when nothing is in flight, or close the Ring. The socket stays the caller's.
// Linux 6.0.
func (r *Ring) NewRecvStream(fd FD, br *BufRing, c RecvStreamConfig) (*RecvStream, error) {
	if err := r.usable(); err != nil {
		return nil, err
	}
	if br == nil || br.ring != r {
		return nil, errors.New("uring: a stream receives into a buffer ring of its own Ring only")
	}
	c, err := c.normalize(br)
	if err != nil {
		return nil, err
	}
	if c.Token == 0 {
		c.Token = r.freeToken(streamKind, len(r.streams))
	}
	if r.tokenTaken(c.Token) {
		return nil, errTokenTaken("RecvStreamConfig", c.Token)
	}
	if !fd.IsDirect() {
		if typ := cgo.SocketType(int(fd)); typ >= 0 && typ != cgo.SockStream {
			return nil, errors.New("uring: a RecvStream takes an empty message for the end, and is for stream sockets only")
		}
	}
	s := &RecvStream{ring: r, fd: fd, br: br, cfg: c, token: uint64(c.Token)}
	if c.To != nil {
		c.To.source = s
	}
	r.streams[s.token], r.feed = s, r.feedStreams
	live.Opened("receive stream", s)
	if err := s.receive(); err != nil {
		s.abandon()
		return nil, err
	}
	return s, nil
}

// Token returns the token of the stream's completions, with generation 0.
func (s *RecvStream) Token() Token { return Token(s.token) }

// Owns reports whether c belongs to one of the stream's requests.
func (s *RecvStream) Owns(c CQE) bool { return c.UserData&^tokenGeneration == s.token }

// InFlight reports whether requests of the stream are in flight: receives, or
// others that it needs.
func (s *RecvStream) InFlight() bool { return s.pending > 0 }

// Stats returns what happened so far.
func (s *RecvStream) Stats() RecvStreamStats { return s.stats }

// Err returns why nothing more comes: io.EOF at the end of the stream, ECONNRESET
// if the peer has reset the connection, or another error of a receive, or why To
// takes nothing any more. It is nil while the stream goes on.
func (s *RecvStream) Err() error { return s.err }

func (s *RecvStream) usable() error {
	if s.closed || s.ring.closed {
		return ErrClosed
	}
	return nil
}

// receive queues a receive, unless one is in flight, or the stream is over, paused
// or held back, or there are no buffers: then one is queued when it may.
func (s *RecvStream) receive() error {
	switch {
	case s.closed || s.armed || s.paused || s.starving || s.err != nil:
		return nil
	case s.full():
		s.hold()
		return nil
	case s.br.out == len(s.br.bufs):
		s.starve()
		return nil
	}
	s.held = false
	return s.arm()
}

// Pause stops receiving until [RecvStream.Resume]. A receive that is in flight is
// cancelled; it may still bring bytes before that.
func (s *RecvStream) Pause() error {
	if err := s.usable(); err != nil {
		return err
	}
	s.paused = true
	return s.stop()
}

// Resume ends a pause.
func (s *RecvStream) Resume() error {
	if err := s.usable(); err != nil {
		return err
	}
	s.paused = false
	return s.receive()
}

// Cancel ends all requests of the stream, for one that is to be closed. When
// [RecvStream.InFlight] is false they are over.
func (s *RecvStream) Cancel() error {
	return errors.Join(s.Pause(), s.stopPoll())
}

// Close ends the use of the stream. It returns [ErrBusy], and does nothing, while
// its requests are in flight: they end by themselves after the end of the stream,
// and after [RecvStream.Cancel]. A second Close does nothing.
func (s *RecvStream) Close() error {
	if s.closed {
		return nil
	}
	if s.pending > 0 && !s.ring.closed {
		return wrapf("receive stream: %w: requests are in flight; Cancel ends them", ErrBusy)
	}
	s.abandon()
	return nil
}

// abandon closes the stream; the kernel runs none of its requests any more.
func (s *RecvStream) abandon() {
	s.closed = true
	if s.err == nil {
		s.err = ErrClosed
	}
	if s.cfg.To != nil {
		s.cfg.To.source = nil
	}
	delete(s.ring.streams, s.token)
	live.Closed(s)
}

// Complete accounts for a completion of one of the stream's requests, queues the
// bytes that it brought in To, and returns their number. Call [SendQueue.Flush]
// afterwards.
//
// Its error is one of the ring, such as [ErrAccount]. How the stream ended, if it
// did, [RecvStream.Err] tells.
func (s *RecvStream) Complete(c CQE) (int, error) {
	if s.cfg.To == nil {
		return 0, errors.New("uring: Complete of a stream without RecvStreamConfig.To: Segments and Consume take its completions")
	}
	if bytes, err := s.begin(c); !bytes {
		return 0, err
	}
	n, err := s.cfg.To.AppendCompletion(s.br, c)
	if to := s.cfg.To.usable(); to != nil {
		return n, s.fail(to)
	}
	if c.Res > 0 && err != nil {
		return n, err
	}
	return n, s.end(c)
}

// Segments is [RecvStream.Complete] for streams without To: it yields the bytes that
// completion c brought, as [BufRing.Segments] does, and an error of the ring with an
// empty segment.
func (s *RecvStream) Segments(c CQE) iter.Seq2[Segment, error] {
	return func(yield func(Segment, error) bool) {
		bytes, err := s.begin(c)
		if bytes {
			w, wrong := s.br.begin(c)
			defer w.drop()
			for w.left > 0 {
				if !yield(w.segment(), nil) {
					_ = s.end(c)
					return
				}
			}
			if err = s.end(c); c.Res > 0 && wrong != nil {
				err = wrong
			}
		}
		if err != nil {
			yield(Segment{}, err)
		}
	}
}

// Consume is [RecvStream.Complete] for streams without To: it hands the bytes that
// completion c brought to fn, as [BufRing.Consume] does.
func (s *RecvStream) Consume(c CQE, fn func(p []byte) error) error {
	if bytes, err := s.begin(c); !bytes {
		return err
	}
	if err := s.br.Consume(c, fn); err != nil && c.Res > 0 {
		return errors.Join(err, s.end(c))
	}
	return s.end(c)
}

// begin accounts for completion c, and reports whether it is that of a receive,
// which end must follow.
func (s *RecvStream) begin(c CQE) (bytes bool, err error) {
	gen := c.Token().Generation()
	what := gen & streamWhat
	switch {
	case !s.Owns(c):
		return false, fmt.Errorf("%w: user data %#x is not of this stream", ErrBadCompletion, c.UserData)
	case s.closed:
		return false, ErrClosed
	case what == streamRecv && (!s.armed || gen != s.gen):
		// Linux 6.1 and 6.10 have been seen to post one more after the last. It may
		// hold a buffer.
		return false, s.br.discard(c)
	case s.pending == 0:
		return false, fmt.Errorf("%w: no request of the stream is in flight", ErrBadCompletion)
	}
	if !c.More() {
		s.pending--
	}
	switch what {
	case streamPoll:
		s.polling = false
		return false, s.hungUp(c)
	case streamCancel:
		s.stopping = s.stopping && s.armed
		return false, nil
	case streamWake:
		s.br.woken(c.Res < 0)
		return false, nil
	}
	if !c.More() {
		s.armed, s.stopping = false, false
	}
	return true, nil
}

// end does what follows from the result of a receive, when the bytes are taken.
func (s *RecvStream) end(c CQE) error {
	err := c.Err()
	switch {
	case s.err != nil:
		return nil // nothing counts after it
	case c.Res > 0:
		s.stats.Completions++
		s.stats.Bytes += uint64(c.Res)
		if s.armed && s.full() {
			s.hold()
			return s.stop()
		}
		return s.receive()
	case err == nil:
		s.err = io.EOF // the poll completes, too
		return nil
	case err == syscall.ENOBUFS:
		s.br.dry = true
		s.starve()
		return nil
	case err == syscall.ECANCELED, err == syscall.EINTR, err == syscall.EAGAIN:
		return s.receive()
	}
	return s.fail(&OpError{opReceive, err.(syscall.Errno)})
}

const opReceive = "receive"

// fail ends the stream because of err.
func (s *RecvStream) fail(err error) error {
	s.err = err
	return errors.Join(s.stop(), s.stopPoll())
}

// hungUp is told by the poll that the peer has gone. A multishot receive may miss
// that; what is left is received without.
func (s *RecvStream) hungUp(c CQE) error {
	if c.Res < 0 || s.err != nil {
		return nil
	}
	s.left = true
	if s.multi {
		return s.stop()
	}
	return nil
}

// full reports whether so much waits in To that receiving must stop.
func (s *RecvStream) full() bool {
	q := s.cfg.To
	return q != nil && (s.waits() >= s.maxBytes() || q.buffers >= s.cfg.MaxBuffers)
}

// waits is how many bytes count as waiting in To. When buffers run short those do
// that it has copied and sent, and that a zero-copy send still needs.
func (s *RecvStream) waits() int {
	q := s.cfg.To
	if s.br.Short() {
		return max(q.out.bytes, q.copyMemory)
	}
	return q.out.bytes
}

// maxBytes is the limit for what waits in To at present.
func (s *RecvStream) maxBytes() int {
	b := s.br
	switch {
	case !b.Short():
		return s.cfg.MaxBytes
	case b.copies.left() == 0:
		return 1 // only those whose peer reads
	}
	return min(s.cfg.MaxBytes, max(int(b.size), leastMaxBytes))
}

// hold notes that receiving stops until less waits in To.
func (s *RecvStream) hold() {
	if !s.held {
		s.held, s.slow = true, true
		s.stats.Held++
	}
}

// drained is called when something of To was sent.
func (s *RecvStream) drained() error {
	q := s.cfg.To
	if s.waits() > s.maxBytes()/2 || q.buffers > s.cfg.MaxBuffers/2 || s.closed {
		return nil
	}
	s.held = false
	return s.receive()
}

// arm queues a receive, and before it the poll that goes with a multishot one. When
// there is no entry for it, or the last one links to the next, it comes with the next
// submit.
func (s *RecvStream) arm() error {
	if links(s.ring.q.Last()) {
		s.starve()
		return nil
	}
	s.multi = s.multishot()
	err := s.poll()
	if err == nil {
		err = s.request()
	}
	if err == ErrSQFull || errors.Is(err, syscall.EBUSY) {
		s.starve()
		return nil
	}
	return err
}

// poll queues the poll that goes with a multishot receive, unless there was one. It
// comes before the receive: the kernel wakes first who came last, so that the end of
// the stream is there before the poll's completion, for which the receive would be
// cancelled.
func (s *RecvStream) poll() error {
	if !s.multi || s.polling || s.left {
		return nil
	}
	e, err := s.ring.Request(s.is(streamPoll))
	if err != nil {
		return err
	}
	e.PrepPollAdd(s.fd, 0)
	s.polling, s.pending = true, s.pending+1
	return nil
}

// request queues a receive.
func (s *RecvStream) request() error {
	gen := (s.gen + streamWhat + 1) & 0xffffff &^ streamWhat
	e, err := s.ring.Request(Token(s.token | uint64(gen)<<32))
	if err != nil {
		return err
	}
	if err := s.prepare(e); err != nil {
		return err
	}
	s.gen = gen
	s.armed, s.pending = true, s.pending+1
	s.stats.Requests++
	return nil
}

// is returns the token of a request that is not a receive.
func (s *RecvStream) is(what uint32) Token { return Token(s.token | uint64(what)<<32) }

// multishot reports whether the next receive is to be one.
func (s *RecvStream) multishot() bool {
	b := s.br
	limited := b.haveLimit() == nil
	switch {
	case s.cfg.Single || s.left:
		return false
	case b.incremental && !limited:
		// Before Linux 6.17 a peer can get a single receive into a worker thread, which
		// an incremental ring does not bear.
		return true
	}
	return !b.Short() && (limited || !s.slow)
}

// prepare fills the entry of a receive.
func (s *RecvStream) prepare(e SQE) error {
	b := s.br
	if !s.multi {
		return e.PrepRecvProvided(s.fd, b, 0, 0, 0)
	}
	var flags IOFlags
	if s.cfg.Bundle {
		flags = Bundle
	}
	if b.haveLimit() == nil {
		room := s.room()
		return e.PrepRecvMultishotLimit(s.fd, b, min(room, s.share()), room, flags)
	}
	return e.PrepRecvMultishot(s.fd, b, flags)
}

// room is how many bytes one receive may bring.
func (s *RecvStream) room() int {
	room, buffers := s.cfg.MaxBytes, s.cfg.MaxBuffers
	if q := s.cfg.To; q != nil {
		room -= q.out.bytes
		buffers -= q.buffers
	}
	return max(min(room, buffers*int(s.br.size), math.MaxInt32), 1)
}

// share is how many bytes one completion may bring: a quarter of the buffers.
func (s *RecvStream) share() int {
	return max(len(s.br.bufs)/4, 1) * int(s.br.size)
}

// stop cancels the receive that is in flight.
func (s *RecvStream) stop() error {
	if !s.armed || s.stopping || s.closed {
		return nil
	}
	s.stopping = true
	return s.cancel(s.token | uint64(s.gen)<<32)
}

// stopPoll cancels the poll that is in flight.
func (s *RecvStream) stopPoll() error {
	if !s.polling || s.closed {
		return nil
	}
	return s.cancel(uint64(s.is(streamPoll)))
}

func (s *RecvStream) cancel(userData uint64) error {
	e, err := s.ring.Request(s.is(streamCancel))
	if err != nil {
		return err
	}
	e.PrepCancel(userData, 0)
	s.pending++
	return nil
}
