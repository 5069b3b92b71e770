package command

import (
	"fmt"
	"net/netip"
	"syscall"

	"github.com/uring-go/uring"
)

// accepts is how many connections may be accepted at once. One request for each of
// them, and not one for all: that would also take connections for which there is
// no room, and could only reset them.
const accepts = 16

// An acceptSlot is a request for one connection.
type acceptSlot struct {
	peer  uring.Sockaddr // where it comes from, written by the kernel
	armed bool
}

// accept accepts connections, unless that is to wait or is over.
func (p *proxy) accept() error {
	if p.later || p.draining {
		return nil
	}
	return p.armAccepts()
}

// armAccepts arms requests for connections, as many as there is room for.
func (p *proxy) armAccepts() error {
	for i := range p.accepting {
		if !p.room() {
			return nil
		}
		if p.accepting[i].armed {
			continue
		}
		if err := p.armAccept(i); err != nil {
			return err
		}
	}
	return nil
}

// room reports whether another connection may be asked for.
func (p *proxy) room() bool { return p.live+p.armed < p.maxConns }

func (p *proxy) armAccept(i int) error {
	s, err := p.ring.Request(uring.MakeToken(proxyAccept, 0, uint32(i)))
	if err != nil {
		return err
	}
	a := &p.accepting[i]
	if p.fixedFiles {
		s.PrepAcceptAddrDirect(p.ln, 0, &a.peer, uring.DirectAlloc)
	} else {
		s.PrepAcceptAddr(p.ln, uring.CloseOnExec, &a.peer)
	}
	a.armed = true
	p.armed++
	return nil
}

// acceptLater accepts again in a while: connections wait in the listener.
func (p *proxy) acceptLater(why error) error {
	if p.later {
		return nil
	}
	p.log.warn("accepting pauses", "error", why)
	s, err := p.ring.Request(uring.MakeToken(proxyAcceptLater, 0, 0))
	if err != nil {
		return err
	}
	s.PrepTimeout(acceptPause, 0, 0)
	p.later = true
	return nil
}

func (p *proxy) accepted(i uint32, c uring.CQE) {
	a := &p.accepting[i]
	a.armed = false
	p.armed--
	switch err := c.Err(); err {
	case nil:
		from, _ := a.peer.AddrPort()
		p.newPair(c.Res, netip.AddrPortFrom(from.Addr().Unmap(), from.Port()))
	case syscall.ECANCELED, syscall.ECONNABORTED:
	case syscall.EMFILE, syscall.ENFILE, syscall.ENOMEM, syscall.ENOBUFS:
		if p.leaving == leavingQueue {
			p.leaveQueue()
		} else {
			p.must(p.acceptLater(err))
		}
	default:
		p.log.warn("accept", "error", err)
	}
	p.must(p.accept())
	p.leave()
}

// The steps of leaving the listener. A connection that waits in it when it is closed
// would be reset, so they are accepted first.
type leavingStep int

const (
	leavingNot    leavingStep = iota
	leavingCancel             // the requests that were there are being cancelled
	leavingQueue              // connections that wait are accepted, until none does
	leavingEnd                // the requests that found none are being cancelled
	leavingDone               // the listener is closed
)

// drain stops accepting and closes the listener, so that a successor can listen;
// connections that are open may finish.
func (p *proxy) drain() {
	if p.draining {
		return
	}
	p.draining = true
	p.leaving = leavingCancel
	p.cancelAccepts()
	p.leave()
	p.publish()
	if p.grace == 0 {
		return
	}
	s, err := p.ring.Request(uring.MakeToken(proxyGrace, 0, 0))
	if err != nil {
		p.must(err)
		return
	}
	s.PrepTimeout(p.grace, 0, 0)
}

func (p *proxy) cancelAccepts() {
	for i := range p.accepting {
		if p.accepting[i].armed {
			p.cancel(proxyCancelAccept, uint64(uring.MakeToken(proxyAccept, 0, uint32(i))))
		}
	}
}

// leave goes on to the next step when no accept is in flight.
func (p *proxy) leave() {
	if !p.draining || p.armed > 0 {
		return
	}
	switch p.leaving {
	case leavingCancel:
		p.leaving = leavingQueue
		p.askQueue()
	case leavingEnd:
		p.closeListener()
	}
}

// askQueue accepts what waits. The kernel comes to the no-op after it has tried the
// accepts: those that are still there then found nobody.
func (p *proxy) askQueue() {
	if p.queueAsks++; p.queueAsks > mostQueueAsks || !p.room() {
		p.closeListener()
		return
	}
	p.must(p.armAccepts())
	s, err := p.ring.Request(uring.MakeToken(proxyQueueAsked, 0, 0))
	if err != nil {
		p.must(err)
		return
	}
	s.PrepNop()
}

// mostQueueAsks is for a listener whose queue is as long as it can be: others come all
// the time, perhaps, and do not count.
const mostQueueAsks = 4096 / accepts

// queueAsked asks again if all of them found somebody.
func (p *proxy) queueAsked() {
	switch {
	case p.leaving != leavingQueue:
	case p.armed == 0:
		p.askQueue()
	default:
		p.leaveQueue()
	}
}

func (p *proxy) leaveQueue() {
	p.leaving = leavingEnd
	p.cancelAccepts()
}

func (p *proxy) closeListener() {
	p.leaving = leavingDone
	p.listener.close()
	msg := "draining: the listener is closed"
	if p.live > 0 {
		msg += "; connections go on, and another signal ends them"
	}
	args := []any{"connections", p.live}
	if p.grace > 0 {
		args = append(args, "at most", p.grace)
	}
	p.log.info(msg, args...)
}

// fitDescriptors checks that the process may have the descriptors of all connections,
// and lowers their number if nobody asked for it.
func (c *proxyConfig) fitDescriptors() error {
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		return fmt.Errorf("ask for RLIMIT_NOFILE: %w", err)
	}
	others := int64(24) // the ring, the listener, the log, Go's own, what is being resolved
	if c.monitorAt != "" {
		others += 16
	}
	most := (int64(min(limit.Cur, 1<<30)) - others) / 2
	switch {
	case int64(c.maxConns) <= most:
		return nil
	case c.lowerConns && most > 0:
		c.maxConns = int(most)
		return nil
	}
	instead := fmt.Sprintf(", or take at most -max-conns %d", most)
	if most < 1 {
		instead = ""
	}
	return fmt.Errorf("-max-conns %d needs %d descriptors, two for each connection, and RLIMIT_NOFILE is %d: raise it (ulimit -n, LimitNOFILE=)%s",
		c.maxConns, 2*int64(c.maxConns)+others, limit.Cur, instead)
}
