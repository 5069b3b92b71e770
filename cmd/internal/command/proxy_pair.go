package command

import (
	"errors"
	"fmt"
	"math"
	"net/netip"
	"syscall"
	"time"

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
	left     bool       // the client seems to be gone

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
	fd      uring.FD
	open    bool
	watched bool // a poll tells, or has told, when the peer is gone
}

// A flow is one direction: what src sends goes to dst.
type flow struct {
	pair     *pair
	back     uint32 // 1 for the way from the target to the client
	src, dst *end
	q        *uring.SendQueue // nil if the flow only waits for src's end

	armed    bool // a receive is in flight
	single   bool // it is one without multishot
	held     bool // receiving has stopped until the queue is shorter
	slow     bool // it was held before
	starving bool // waits for buffers
	dirty    bool
	eof      bool   // src has sent everything
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
		p.hungUp(&pr.flows[t.Slot()&1], uring.PollMask(max(c.Res, 0)))
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
		f := &pr.flows[i]
		if !p.oneWay || f.back == 0 {
			if err := p.openQueue(f); err != nil {
				p.abort(pr, targetSide, endOther, err)
				return
			}
		}
		p.watch(f)
		p.receive(f)
	}
}

// watch asks to be told when src is gone: a multishot receive can miss that.
func (p *proxy) watch(f *flow) {
	if f.src.watched || p.recvSingle && f.back == 1 {
		return
	}
	f.src.watched = true
	if s, ok := p.ask(f.pair, proxyHangup, f.back); ok {
		s.PrepPollAdd(f.src.fd, 0)
	}
}

// hungUp receives what src has left without multishot.
func (p *proxy) hungUp(f *flow, events uring.PollMask) {
	if f.pair.state == connecting && events != 0 {
		p.clientGone(f.pair, events)
	}
	if f.eof || f.pair.state != forwarding || p.recvSingle {
		return
	}
	f.single = true
	if f.armed {
		p.cancelReceive(f)
	}
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

// receive arms a receive for the flow, unless it is to wait.
func (p *proxy) receive(f *flow) {
	if f.armed || f.eof || f.cut || f.starving || f.pair.state != forwarding {
		return
	}
	if p.full(f) {
		return
	}
	s, ok := p.ask(f.pair, proxyRecv, f.back)
	if !ok {
		return
	}
	var flags uring.IOFlags
	if p.recvBundle {
		flags = uring.Bundle
	}
	var err error
	switch {
	case p.br.Short() && (p.limited || !p.incremental), f.slow && !p.limited:
		// Whatever else there is could take all buffers before it is stopped, and
		// keep them from the others for as long as dst does not read.
		err = s.PrepRecvProvided(f.src.fd, p.br, 0, 0, 0)
	case p.recvSingle || f.single:
		err = s.PrepRecvProvided(f.src.fd, p.br, 0, 0, flags)
	case p.limited:
		// Ends by itself when the queue may be full, and leaves buffers to others.
		err = s.PrepRecvMultishotLimit(f.src.fd, p.br, p.share(), p.most(), flags)
	default:
		err = s.PrepRecvMultishot(f.src.fd, p.br, flags)
	}
	if err != nil {
		f.pair.pending--
		p.must(err)
		return
	}
	f.armed = true
}

// full reports whether so much waits for dst that receiving must stop.
func (p *proxy) full(f *flow) bool {
	full := f.q != nil && f.q.Queued() >= int(p.queue)
	if f.q != nil && p.br.Short() { // what waits is copied, and others need the buffers
		limit := min(int(p.queue), max(int(p.bufSize), leastQueue))
		full = max(f.q.Queued(), f.q.CopyMemory()) >= limit
	}
	if full && !f.held {
		p.stats.held++
		f.slow = true
	}
	f.held = full
	return full
}

// leastQueue is how much may wait when buffers run short.
const leastQueue = 16 << 10

// most is how much one receive may bring: what may wait, as far as a request can
// say it.
func (p *proxy) most() int { return int(min(p.queue, math.MaxInt32)) }

// share is how much of the buffers one completion may take: a quarter, and more
// where there are fewer connections than that.
func (p *proxy) share() int {
	return max(min(p.most(), p.bufs*int(p.bufSize))/min(max(p.live, 1), 4), int(p.bufSize))
}

// received takes over what a receive brought.
func (p *proxy) received(f *flow, c uring.CQE) {
	if !c.More() {
		f.armed = false
		f.pair.pending--
	}
	err := p.take(f, c)
	switch {
	case err == nil && c.Res > 0:
		p.stats.received += uint64(c.Res)
		f.pair.touched = p.now
		p.hold(f)
		p.receive(f)
	case err == nil && c.Res == 0:
		f.eof = true
		p.finish(f)
	case errors.Is(err, syscall.ENOBUFS):
		p.starve(f)
	case errors.Is(err, syscall.ECANCELED):
		p.receive(f)
	default:
		f.eof = true
		p.broke(f.pair, int(f.back), fmt.Errorf("receive: %w", err))
	}
	p.settle(f.pair)
}

// take queues the bytes of a receive, or drops them if they have nowhere to go.
func (p *proxy) take(f *flow, c uring.CQE) error {
	if f.q == nil || f.cut || f.pair.state != forwarding {
		return p.br.Consume(c, func([]byte) error { return nil })
	}
	_, err := f.q.AppendCompletion(p.br, c)
	p.toSend(f)
	return err
}

// hold stops a receive that goes on while too much waits for dst.
func (p *proxy) hold(f *flow) {
	if f.held || !f.armed || !p.full(f) {
		return
	}
	p.cancelReceive(f)
}

func (p *proxy) cancelReceive(f *flow) {
	if s, ok := p.ask(f.pair, proxyCancel, f.back); ok {
		s.PrepCancel(uint64(uring.MakeToken(proxyRecv, 0, f.slot())), 0)
	}
}

// starve lets the flow wait until there are buffers.
func (p *proxy) starve(f *flow) {
	p.stats.starved++
	if !f.starving {
		f.starving = true
		if len(p.starved) == 0 {
			p.fed = time.Now()
		}
		p.starved = append(p.starved, f)
	}
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
		if f.held && !f.armed && f.q.Queued() <= int(p.queue)/2 {
			p.receive(f)
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

// settle takes a pair that is done further: when no request runs any more its
// descriptors are closed, and when the kernel has let go of all memory the
// pair is gone.
func (p *proxy) settle(pr *pair) {
	if pr.state < closing || pr.pending > 0 {
		return
	}
	for i := range pr.flows {
		if q := pr.flows[i].q; q != nil && q.InFlight() {
			return
		}
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

// release frees the pair's queues and its number.
func (p *proxy) release(pr *pair) {
	if p.pairs[pr.id] != pr {
		return
	}
	for i := range pr.flows {
		f := &pr.flows[i]
		f.starving = false
		if f.q == nil {
			continue
		}
		p.countQueue(f.q)
		p.must(f.q.Close())
		f.q = nil
	}
	p.ended(pr)
	p.pairs[pr.id] = nil
	p.free = append(p.free, pr.id)
	p.live--
	p.must(p.accept())
}
