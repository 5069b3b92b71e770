package command

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/uring-go/uring"
)

// The kinds of requests, in their tokens. A token's slot is the pair's number,
// twice, plus 1 for what concerns the way back.
const (
	proxyAccept uint8 = iota + 1
	proxyAcceptLater
	proxyCancelAccept
	proxyQueueAsked
	proxyWake
	proxyHurry
	proxyTick
	proxyClock
	proxyGrace
	proxyGreeting
	proxyPeek
	proxySocket
	proxyConnect
	proxyOption
	proxyRecv
	proxySend
	proxyCancel
	proxyShutdown
	proxyHangup
	proxyUnsent
	proxyUnsentLater
	proxyClose
)

// A proxy forwards connections, all in one goroutine on one ring.
type proxy struct {
	proxyConfig
	ring     *uring.Ring
	br       *uring.BufRing
	listener *listener
	ln       uring.FD // of listener
	targets  *targetSet
	options  []sockOption
	log      *proxyLog
	wakers   [2]*waker // to drain, and to end what drains

	pairs []*pair // by number; nil is free
	free  []uint32
	live  int
	dirty []*flow // have bytes to send

	accepting [accepts]acceptSlot
	armed     int  // of them
	later     bool // a timeout is armed after which connections are accepted again
	draining  bool
	leaving   leavingStep
	queueAsks int

	started time.Time
	now     instant // when the clock last ticked
	ticking bool    // the clock is armed
	peek    [1]byte // for bytes that nobody looks at
	fatal   error

	stats     proxyStats
	published atomic.Pointer[Figures]
}

// runProxy forwards connections until ctx ends and those that are open are done, or
// the grace time is over.
func runProxy(ctx context.Context, c proxyConfig) (stats proxyStats, err error) {
	wanted := c.maxConns
	if err := c.fitDescriptors(); err != nil {
		return stats, err
	}
	targets, err := newTargets(ctx, c.to)
	if err != nil {
		return stats, err
	}
	p := &proxy{proxyConfig: c, targets: targets, options: c.tcpOptions(), started: time.Now()}
	for i, ctx := range []context.Context{ctx, c.hurry} {
		if ctx == nil {
			continue
		}
		if p.wakers[i], err = newWaker(ctx); err != nil {
			return stats, err
		}
		defer p.wakers[i].close()
	}
	p.log = newProxyLog(c.logTo)
	defer p.log.close()
	if c.maxConns < wanted {
		p.log.info("RLIMIT_NOFILE allows fewer connections", "connections", c.maxConns)
	}
	watching, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	targets.watch(watching, c.resolve, ownGreeting(c.sendGreet), p.log)
	err = p.serve(ctx)
	return p.stats, err
}

// startListening opens the listener. It comes after all else that may fail: a client
// that had connected before would be reset.
func (p *proxy) startListening(ctx context.Context) (err error) {
	if p.listener, err = listenAt(ctx, p.listen, p.reusePort); err != nil {
		return err
	}
	p.ln = uring.FD(p.listener.file.Fd())
	return errors.Join(p.targets.check(p.listener), p.checkGreeting(), p.inherit())
}

// checkGreeting refuses a header that could not say where clients connected to.
func (p *proxy) checkGreeting() error {
	at, ok := p.listener.tcp()
	if p.sendGreet > 0 && p.fixedFiles && !p.acceptGreet && ok && at.Addr().IsUnspecified() {
		return errors.New("-send-proxy with -fixed-files needs one address in -listen: a direct descriptor cannot be asked for its own")
	}
	return nil
}

func (p *proxy) serve(ctx context.Context) error {
	c := uring.Config{Entries: 1024, CQEntries: 16384}
	if p.sqpoll {
		c.Flags |= uring.SetupSQPoll
		c.SQThreadIdle = time.Second
	}
	run := func(r *uring.Ring) error {
		p.ring = r
		if err := p.open(); err != nil {
			return err
		}
		if err := p.startListening(ctx); err != nil {
			p.listener.close()
			return err
		}
		defer p.listener.close()
		stop, err := p.startMonitor()
		if err != nil {
			return err
		}
		defer stop()
		if p.listening != nil {
			p.listening(p.listener.String())
		}
		start, cpu := time.Now(), threadCPU()
		err = p.loop()
		p.stats.cpu, p.stats.kernelCPU, p.stats.elapsed = threadCPU()-cpu, kernelThreadsCPU(), time.Since(start)
		p.countBuffers()
		if n := p.stats.leftovers; n != 0 {
			err = errors.Join(err, fmt.Errorf("%d buffers did not come back", n))
		}
		return err
	}
	if p.deferTaskrun || p.sqpoll {
		return uring.Serve(c, run)
	}
	return onThread(func() (err error) {
		c.Flags |= uring.SetupSubmitAll | uring.SetupCoopTaskrun
		r, err := uring.New(c)
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, r.Close()) }()
		return run(r)
	})
}

func (p *proxy) open() (err error) {
	if err := p.ring.RegisterRingFD(); err != nil {
		return err
	}
	if p.napi > 0 {
		if _, err := p.ring.RegisterNAPI(uring.NAPI{BusyPoll: p.napi}); err != nil {
			return err
		}
	}
	if p.fixedFiles {
		if err := p.ring.RegisterFiles(2 * p.maxConns); err != nil {
			return err
		}
		// Else no connection could be reset, and a peer that hears of an end
		// instead takes what it has for everything.
		if err := uring.HaveSocketOptions(); err != nil {
			return err
		}
	}
	if err := p.checkSends(); err != nil {
		return err
	}
	if p.recvBundle {
		err := haveBundles(p.incremental)
		if err != nil && p.needBundle {
			return err
		}
		p.recvBundle = err == nil
	}
	c := uring.BufRingConfig{
		Group: 1, Entries: p.bufs, BufSize: int(p.bufSize), Incremental: p.incremental,
		HugePages: p.hugePages, Registered: p.zeroCopy(),
	}
	if p.copyMemory > 0 {
		c.Spare, c.CopyMemory = max(p.bufs/4, 1), int(p.copyMemory)
	}
	if p.incremental {
		c.MinLeft = 1 // all connections are streams, those of direct descriptors too
	}
	p.br, err = p.ring.NewBufRing(c)
	return err
}

// checkSends says, before there are connections, whether the kernel has what
// -send asks for.
func (p *proxy) checkSends() error {
	q, err := p.ring.NewSendQueue(uring.FD(p.wakers[0].read.Fd()), uring.SendQueueConfig{Mode: p.send, ZCAlways: p.zcAlways})
	if err != nil {
		return err
	}
	return q.Close()
}

func (p *proxy) zeroCopy() bool { return p.send == uring.SendZC || p.send == uring.SendZCGather }

func (p *proxy) loop() error {
	if err := p.armWake(); err != nil {
		return err
	}
	if err := p.armTick(); err != nil {
		return err
	}
	if err := p.accept(); err != nil {
		return err
	}
	for !p.draining || p.live > 0 || p.leaving != leavingDone {
		p.sendDirty()
		if err := p.enter(); err != nil {
			return err
		}
		for c := range p.ring.Completions() {
			p.stats.completions++
			p.handle(c)
		}
		if p.fatal != nil {
			return p.fatal
		}
	}
	return nil
}

// enter submits and waits for completions.
func (p *proxy) enter() (err error) {
	switch {
	case p.waitBatch > 1 && uring.HaveMinTimeout() == nil:
		_, err = p.ring.SubmitAndWaitMin(p.waitBatch, p.wait, time.Hour)
	case p.waitBatch > 1:
		_, err = p.ring.SubmitAndWaitTimeout(p.waitBatch, p.wait)
		if errors.Is(err, os.ErrDeadlineExceeded) {
			_, err = p.ring.SubmitAndWait(1)
		}
	default:
		_, err = p.ring.SubmitAndWait(1)
	}
	if errors.Is(err, os.ErrDeadlineExceeded) || errors.Is(err, syscall.EBUSY) {
		return nil // EBUSY: completions come first
	}
	return err
}

// handle does what a completion asks for.
func (p *proxy) handle(c uring.CQE) {
	t := c.Token()
	switch t.Kind() {
	case proxyRecv:
		if p.pairs[t.Slot()/2] == nil || p.flow(t).in == nil {
			p.stray(c)
		} else {
			p.received(p.flow(t), c)
		}
	case proxySend:
		p.sent(p.flow(t), c)
	case proxyAccept:
		p.accepted(t.Slot(), c)
	case proxyAcceptLater:
		p.later = false
		p.must(p.accept())
	case proxyQueueAsked:
		p.queueAsked()
	case proxyWake:
		p.drain()
	case proxyHurry:
		p.drain()
		p.abortAll("a second signal")
	case proxyTick:
		p.logFigures()
		p.must(p.armTick())
	case proxyClock:
		p.tick()
	case proxyGrace:
		p.abortAll("grace time is over")
	case proxyCancelAccept:
	default:
		p.stepped(p.pairs[t.Slot()/2], t, c)
	}
}

// must keeps the first error after which the loop cannot go on.
func (p *proxy) must(err error) {
	if err != nil && p.fatal == nil {
		p.fatal = err
	}
}

func (p *proxy) flow(t uring.Token) *flow {
	pr := p.pairs[t.Slot()/2]
	return &pr.flows[t.Slot()&1]
}

// stray handles a completion after the last one of a receive, and after the end of its
// stream: Linux 6.1 and 6.10 have been seen to post one for a reset connection. It may
// hold a buffer.
func (p *proxy) stray(c uring.CQE) {
	_ = p.br.Consume(c, func([]byte) error { return nil })
}

func (p *proxy) armWake() error {
	for i, w := range p.wakers {
		if w == nil {
			continue
		}
		s, err := p.ring.Request(uring.MakeToken([]uint8{proxyWake, proxyHurry}[i], 0, 0))
		if err != nil {
			return err
		}
		w.prepare(s)
	}
	return nil
}

func (p *proxy) armTick() error {
	if p.proxyConfig.stats == 0 {
		return nil
	}
	s, err := p.ring.Request(uring.MakeToken(proxyTick, 0, 0))
	if err == nil {
		s.PrepTimeout(p.proxyConfig.stats, 0, 0)
	}
	return err
}

// cancel asks for the end of the request with the given user data.
func (p *proxy) cancel(kind uint8, userData uint64) {
	s, err := p.ring.Request(uring.MakeToken(kind, 0, 0))
	if err != nil {
		p.must(err)
		return
	}
	s.PrepCancel(userData, 0)
}

func (p *proxy) abortAll(why string) {
	for _, pr := range p.pairs {
		if pr != nil {
			p.abort(pr, targetSide, endDrain, errors.New(why))
		}
	}
}

// sendDirty starts the sends of flows that got bytes since the last turn.
func (p *proxy) sendDirty() {
	for i, f := range p.dirty {
		p.dirty[i] = nil
		f.dirty = false
		if f.q != nil && f.q.Err() == nil && !f.cut && f.pair.state == forwarding {
			p.must(f.q.Flush())
		}
	}
	p.dirty = p.dirty[:0]
}
