package command

import (
	"errors"
	"fmt"
	"io"
	"math"
	"net/netip"
	"syscall"

	"github.com/uring-go/uring"
)

// A pair is a connection from a client and the one to a target that belongs to it.
type pair struct {
	id      uint32
	flows   [2]flow // there, and back
	ends    [2]end  // client, target
	pending int     // requests whose last completion is still to come
	state   pairState

	client   netip.AddrPort // where it comes from; the zero value for a UNIX socket
	local    netip.AddrPort // where it went to, if its greeting said so
	head     []byte         // received with the greeting
	route    route
	addr     targetAddr // of the target, at present
	dialErr  error      // of the last attempt to connect
	timedOut bool       // it took too long
	watched  bool       // a poll tells, or has told, when the client is gone
	left     bool       // it seems to be

	began    instant
	touched  instant // when bytes moved last, by the clock
	deadline instant // of the present state; 0 is none
	fail     *failure
	broken   [2]bool // ends that failed
	blind    bool    // the kernel does not tell what has arrived
}

type pairState int

const (
	greeting0 pairState = iota // the header of the PROXY protocol is being received
	connecting
	forwarding
	closing // requests are being cancelled, or are done
	closed  // descriptors are being closed; notifications may be to come
)

// The ends of a pair.
const (
	clientSide = iota
	targetSide
)

// A failure is why a pair did not end in order.
type failure struct {
	side int // whose fault it was
	kind endKind
	err  error
}

// An end is one of the pair's two sockets.
type end struct {
	fd   uring.FD
	open bool
}

// A flow is one direction: what src sends goes to dst.
type flow struct {
	pair     *pair
	back     uint32 // 1 for the way from the target to the client
	src, dst *end
	in       *uring.RecvStream // nil until both ends are connected
	q        *uring.SendQueue  // nil, too, if the flow only waits for src's end

	dirty    bool
	eof      bool   // nothing more comes from src
	cut      bool   // dst has failed: nothing more goes there
	asked    bool   // how much dst has not acknowledged
	moved    uint64 // bytes that dst has taken
	finished bool   // and dst knows
}

func (f *flow) slot() uint32 { return f.pair.id<<1 | f.back }

// ask takes an entry for a request of the pair and counts it.
func (p *proxy) ask(pr *pair, kind uint8, back uint32) (uring.SQE, bool) {
	s, err := p.ring.Request(uring.MakeToken(kind, 0, pr.id<<1|back))
	if err != nil {
		p.must(err)
		return s, false
	}
	pr.pending++
	return s, true
}

// newPair begins to forward the connection that was accepted as fd.
func (p *proxy) newPair(fd int32, from netip.AddrPort) {
	pr := &pair{client: from, began: p.time(), route: p.targets.begin()}
	pr.touched, p.now = pr.began, pr.began
	if n := len(p.free); n > 0 {
		pr.id = p.free[n-1]
		p.free = p.free[:n-1]
		p.pairs[pr.id] = pr
	} else {
		pr.id = uint32(len(p.pairs))
		p.pairs = append(p.pairs, pr)
	}
	for i := range pr.flows {
		pr.flows[i] = flow{pair: pr, back: uint32(i), src: &pr.ends[i], dst: &pr.ends[1-i]}
	}
	pr.ends[0] = end{fd: p.descriptor(fd), open: true}
	p.live++
	p.stats.connections++
	p.must(p.armClock())
	if p.acceptGreet {
		pr.deadline = p.after(p.connectTime)
		p.receiveGreeting(pr)
		return
	}
	p.dial(pr)
}

// descriptor is what an accept's or socket's result means.
func (p *proxy) descriptor(res int32) uring.FD {
	if p.fixedFiles {
		return uring.DirectSlot(int(res)).FD()
	}
	return uring.FD(res)
}

// setOption sets an option of one of the pair's sockets. A request can do that
// since Linux 6.7; only direct descriptors cannot do without.
func (p *proxy) setOption(pr *pair, i uint32, level, name int, value []byte) {
	fd := pr.ends[i].fd
	if !fd.IsDirect() {
		p.optionSet(pr, syscall.SetsockoptString(int(fd), level, name, string(value)))
		return
	}
	if s, ok := p.ask(pr, proxyOption, i); ok {
		p.must(s.PrepSetsockopt(fd, level, name, value))
	}
}

func (p *proxy) optionSet(pr *pair, err error) {
	if err != nil {
		p.log.warn("set option", "client", pr.client, "error", err)
	}
}

// stepped handles the completion of a request that is not a send or receive.
func (p *proxy) stepped(pr *pair, t uring.Token, c uring.CQE) {
	pr.pending--
	switch t.Kind() {
	case proxyClose:
		if pr.state == connecting {
			p.dial(pr) // again
		} else {
			p.settle(pr)
		}
	case proxyGreeting:
		p.greeted(pr, c)
	case proxyPeek:
		p.peeked(pr, c)
	case proxySocket:
		p.opened(pr, c)
	case proxyConnect:
		p.connected(pr, c)
	case proxyHangup:
		p.clientGone(pr, uring.PollMask(max(c.Res, 0)))
		p.settle(pr)
	case proxyUnsent:
		p.acknowledged(pr, c)
	case proxyUnsentLater:
		p.askAgain(pr, &pr.flows[t.Slot()&1])
	case proxyOption:
		p.optionSet(pr, c.Err())
		p.settle(pr)
	default:
		// Cancellations and shutdowns may find that there is nothing to do.
		p.settle(pr)
	}
}

// start forwards: both sockets are connected.
func (p *proxy) start(pr *pair) {
	pr.state, pr.deadline = forwarding, 0
	for i := range pr.flows {
		if err := p.openFlow(&pr.flows[i]); err != nil {
			p.abort(pr, targetSide, endOther, err)
			return
		}
	}
}

// openFlow begins to receive from src, and to send to dst.
func (p *proxy) openFlow(f *flow) (err error) {
	if !p.oneWay || f.back == 0 {
		if err := p.openQueue(f); err != nil {
			return err
		}
	}
	f.in, err = p.ring.NewRecvStream(f.src.fd, p.br, uring.RecvStreamConfig{
		Token: uring.MakeToken(proxyRecv, 0, f.slot()), To: f.q,
		MaxBytes: int(min(p.queue, math.MaxInt32)), MaxBuffers: p.bufs,
		Bundle: p.recvBundle, Single: p.recvSingle,
	})
	return err
}

func (p *proxy) openQueue(f *flow) (err error) {
	c := uring.SendQueueConfig{
		Token:    uring.MakeToken(proxySend, 0, f.slot()),
		Mode:     p.send,
		Entries:  min(max(p.bufs, 16), 1024),
		ZCAlways: p.zcAlways,
	}
	var first []byte // what goes before all that is received
	if f.back == 0 {
		first = append(p.greetingOf(f.pair), f.pair.head...)
		c.Memory = len(first)
	}
	if f.q, err = p.ring.NewSendQueue(f.dst.fd, c); err != nil || len(first) == 0 {
		return err
	}
	p.toSend(f)
	_, err = f.q.Write(first)
	return err
}

// toSend lets the flow send with the end of the turn.
func (p *proxy) toSend(f *flow) {
	if !f.dirty {
		f.dirty = true
		p.dirty = append(p.dirty, f)
	}
}

// received takes over what a request of the flow's stream brought.
func (p *proxy) received(f *flow, c uring.CQE) {
	n, err := f.take(c)
	p.must(err)
	if n > 0 {
		p.stats.received += uint64(n)
		f.pair.touched = p.now
		p.toSend(f)
	}
	if err := f.in.Err(); err != nil {
		p.over(f, err)
	}
	p.settle(f.pair)
}

// take queues the bytes of a completion, or drops them if they have nowhere to go.
func (f *flow) take(c uring.CQE) (n int, err error) {
	if f.q != nil {
		return f.in.Complete(c)
	}
	err = f.in.Consume(c, func(p []byte) error { n += len(p); return nil })
	return n, err
}

// over handles that nothing more comes from src.
func (p *proxy) over(f *flow, why error) {
	known := f.eof || f.q != nil && f.q.Err() != nil // to sent
	f.eof = true
	if why != io.EOF && !known {
		p.broke(f.pair, int(f.back), fmt.Errorf("receive: %w", errors.Unwrap(why)))
	}
	p.finish(f)
}

// sent accounts for a send and goes on.
func (p *proxy) sent(f *flow, c uring.CQE) {
	n, err := f.q.Complete(c)
	p.stats.sent += uint64(n)
	f.moved += uint64(n)
	f.pair.touched = p.now
	// After other errors the rest goes out with the next flush, unless the pair is
	// closing.
	if f.q.Err() != nil || errors.Is(err, uring.ErrBadCompletion) {
		p.broke(f.pair, 1-int(f.back), fmt.Errorf("send: %w", err))
	}
	if f.pair.state == forwarding {
		if f.q.Queued() > 0 && !f.q.InFlight() && !f.cut {
			p.toSend(f)
		}
		if n > 0 && f.pair.fail != nil {
			f.pair.deadline = p.after(concludeTime)
		}
		p.finish(f)
	}
	p.settle(f.pair)
}

// finish passes the end of the stream on, when everything before it is sent.
func (p *proxy) finish(f *flow) {
	if f.pair.fail != nil {
		p.conclude(f.pair)
		return
	}
	if !f.eof || f.finished || f.pair.state != forwarding {
		return
	}
	if f.q != nil && (f.q.Queued() > 0 || f.q.InFlight()) {
		return
	}
	f.finished = true
	p.shutdown(f)
	if f.pair.flows[0].finished && f.pair.flows[1].finished {
		f.pair.state = closing
	}
}

// shutdown tells dst that nothing more comes. The kernel hands a request for that to a
// worker thread, which costs more than the system call, so only direct descriptors have
// one.
func (p *proxy) shutdown(f *flow) {
	if !f.dst.fd.IsDirect() {
		_ = syscall.Shutdown(int(f.dst.fd), syscall.SHUT_WR) // it may be gone
		return
	}
	if s, ok := p.ask(f.pair, proxyShutdown, f.back); ok {
		s.PrepShutdown(f.dst.fd, syscall.SHUT_WR)
	}
}

// busy reports whether requests of the flow's stream or queue are in flight.
func (f *flow) busy() bool {
	return f.in != nil && f.in.InFlight() || f.q != nil && f.q.InFlight()
}

// settle takes a pair that is done further: when no request runs any more its
// descriptors are closed, and when the kernel has let go of all memory the
// pair is gone.
func (p *proxy) settle(pr *pair) {
	if pr.state < closing || pr.pending > 0 || pr.flows[0].busy() || pr.flows[1].busy() {
		return
	}
	if pr.state == closing {
		pr.state = closed
		for i := range pr.ends {
			p.close(pr, i)
		}
		if pr.pending > 0 {
			return
		}
	}
	for i := range pr.flows {
		if q := pr.flows[i].q; q != nil && q.Unnotified() > 0 {
			return
		}
	}
	p.release(pr)
}

func (p *proxy) close(pr *pair, i int) {
	if !pr.ends[i].open {
		return
	}
	pr.ends[i].open = false
	s, ok := p.ask(pr, proxyClose, uint32(i))
	if !ok {
		return
	}
	if p.fixedFiles {
		s.PrepCloseDirect(pr.ends[i].fd.Direct())
	} else {
		s.PrepClose(int(pr.ends[i].fd))
	}
}

// release frees the pair's streams, queues and number.
func (p *proxy) release(pr *pair) {
	if p.pairs[pr.id] != pr {
		return
	}
	for i := range pr.flows {
		p.closeFlow(&pr.flows[i])
	}
	p.ended(pr)
	p.pairs[pr.id] = nil
	p.free = append(p.free, pr.id)
	p.live--
	p.must(p.accept())
}

func (p *proxy) closeFlow(f *flow) {
	if f.in != nil {
		p.stats.countStream(f.in)
		p.must(f.in.Close())
		f.in = nil
	}
	if f.q != nil {
		p.countQueue(f.q)
		p.must(f.q.Close())
		f.q = nil
	}
}
