package main

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"syscall"
	"time"

	"github.com/uring-go/uring"
)

// A pair is a connection from a client and the one to the target that belongs
// to it.
type pair struct {
	id      uint32
	flows   [2]flow // there, and back
	ends    [2]end  // client, target
	pending int     // requests whose last completion is still to come
	state   pairState
}

type pairState int

const (
	connecting pairState = iota
	forwarding
	closing // requests are being cancelled, or are done
	closed  // descriptors are being closed; notifications may be to come
)

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
	q        *uring.SendQueue // nil if the flow only waits for src's end

	armed    bool // a receive is in flight
	single   bool // it is one without multishot
	held     bool // receiving has stopped until the queue is shorter
	slow     bool // it was held before
	starving bool // waits for buffers
	dirty    bool
	eof      bool // src has sent everything
	finished bool // and dst knows
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
func (p *proxy) newPair(fd int32) {
	pr := &pair{}
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
	pr.ends[0] = end{p.descriptor(fd), true}
	p.live++
	p.stats.connections++
	p.setNodelay(pr, 0)
	s, ok := p.ask(pr, proxySocket, 0)
	if !ok {
		return
	}
	if p.fixedFiles {
		s.PrepSocketDirect(p.domain, syscall.SOCK_STREAM, 0, uring.DirectAlloc)
	} else {
		s.PrepSocket(p.domain, syscall.SOCK_STREAM|uring.CloseOnExec, 0)
	}
}

// descriptor is what an accept's or socket's result means.
func (p *proxy) descriptor(res int32) uring.FD {
	if p.fixedFiles {
		return uring.DirectSlot(int(res)).FD()
	}
	return uring.FD(res)
}

func (p *proxy) setNodelay(pr *pair, i uint32) {
	if !p.nagle {
		p.setOption(pr, i, syscall.IPPROTO_TCP, syscall.TCP_NODELAY, binary.NativeEndian.AppendUint32(nil, 1))
	}
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
		p.logf("connection %d: set option: %v", pr.id, err)
	}
}

// stepped handles the completion of a request that is not a send or receive.
func (p *proxy) stepped(pr *pair, t uring.Token, c uring.CQE) {
	pr.pending--
	err := c.Err()
	switch kind := t.Kind(); {
	case kind == proxyClose:
		p.settle(pr)
	case kind == proxySocket && err == nil:
		pr.ends[1] = end{p.descriptor(c.Res), true}
		p.connect(pr)
	case kind == proxySocket, kind == proxyConnect && err != nil:
		p.abort(pr, fmt.Errorf("connect to %s: %w", p.to, err))
		p.settle(pr) // it may have been aborted before
	case kind == proxyConnect:
		p.start(pr)
	case kind == proxyHangup:
		p.hungUp(&pr.flows[t.Slot()&1])
		p.settle(pr)
	case kind == proxyOption:
		p.optionSet(pr, err)
		p.settle(pr)
	default:
		// Cancellations and shutdowns may find that there is nothing to do.
		p.settle(pr)
	}
}

func (p *proxy) connect(pr *pair) {
	if pr.state != connecting {
		p.settle(pr)
		return
	}
	p.setNodelay(pr, 1)
	if s, ok := p.ask(pr, proxyConnect, 0); ok {
		s.PrepConnect(pr.ends[1].fd, p.target)
	}
}

// start forwards: both sockets are connected.
func (p *proxy) start(pr *pair) {
	if pr.state != connecting {
		p.settle(pr)
		return
	}
	pr.state = forwarding
	for i := range pr.flows {
		f := &pr.flows[i]
		if !p.oneWay || f.back == 0 {
			if err := p.openQueue(f); err != nil {
				p.abort(pr, err)
				return
			}
		}
		p.watch(f)
		p.receive(f)
	}
}

// watch asks to be told when src is gone: a multishot receive can miss that.
func (p *proxy) watch(f *flow) {
	if p.recvSingle {
		return
	}
	if s, ok := p.ask(f.pair, proxyHangup, f.back); ok {
		s.PrepPollAdd(f.src.fd, 0)
	}
}

// hungUp receives what src has left without multishot.
func (p *proxy) hungUp(f *flow) {
	if f.eof || f.pair.state != forwarding {
		return
	}
	f.single = true
	if f.armed {
		p.cancelReceive(f)
	}
}

func (p *proxy) openQueue(f *flow) (err error) {
	f.q, err = p.ring.NewSendQueue(f.dst.fd, uring.SendQueueConfig{
		Token:    uring.MakeToken(proxySend, 0, f.slot()),
		Mode:     p.send,
		Entries:  min(max(p.bufs, 16), 1024),
		ZCAlways: p.zcAlways,
	})
	return err
}

// receive arms a receive for the flow, unless it is to wait.
func (p *proxy) receive(f *flow) {
	if f.armed || f.eof || f.starving || f.pair.state != forwarding {
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
	case f.slow && !p.limited:
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
	if full && !f.held {
		p.stats.held++
		f.slow = true
	}
	f.held = full
	return full
}

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
		p.abort(f.pair, fmt.Errorf("receive: %w", err))
	}
	p.settle(f.pair)
}

// take queues the bytes of a receive, or drops them if they have nowhere to go.
func (p *proxy) take(f *flow, c uring.CQE) error {
	if f.q == nil || f.pair.state != forwarding {
		return p.br.Consume(c, func([]byte) error { return nil })
	}
	_, err := f.q.AppendCompletion(p.br, c)
	if !f.dirty {
		f.dirty = true
		p.dirty = append(p.dirty, f)
	}
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
	// After other errors the rest goes out with the next flush, unless the pair is
	// closing.
	if f.q.Err() != nil || errors.Is(err, uring.ErrBadCompletion) {
		p.abort(f.pair, fmt.Errorf("send: %w", err))
	}
	if f.pair.state == forwarding {
		if f.q.Queued() > 0 && !f.q.InFlight() && !f.dirty {
			f.dirty = true
			p.dirty = append(p.dirty, f)
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
	if !f.eof || f.finished || f.pair.state != forwarding {
		return
	}
	if f.q != nil && (f.q.Queued() > 0 || f.q.InFlight()) {
		return
	}
	f.finished = true
	if s, ok := p.ask(f.pair, proxyShutdown, f.back); ok {
		s.PrepShutdown(f.dst.fd, syscall.SHUT_WR)
	}
	if f.pair.flows[0].finished && f.pair.flows[1].finished {
		f.pair.state = closing
	}
}

// abort ends the pair because of err. Both peers get a reset, so that neither
// takes what it has for everything.
func (p *proxy) abort(pr *pair, err error) {
	if pr.state >= closing {
		return
	}
	p.logf("connection %d: %v", pr.id, err)
	p.stats.failed++
	pr.state = closing
	linger := binary.NativeEndian.AppendUint32(binary.NativeEndian.AppendUint32(nil, 1), 0)
	for i := range pr.ends {
		if !pr.ends[i].open {
			continue
		}
		p.setOption(pr, uint32(i), syscall.SOL_SOCKET, syscall.SO_LINGER, linger)
		if s, ok := p.ask(pr, proxyCancel, uint32(i)); ok {
			s.PrepCancelFD(pr.ends[i].fd, uring.CancelAll)
		}
	}
	p.settle(pr)
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
	p.pairs[pr.id] = nil
	p.free = append(p.free, pr.id)
	p.live--
	p.must(p.accept())
}
