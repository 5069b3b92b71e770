package command

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"syscall"
	"time"

	"github.com/uring-go/uring"
)

// receiveGreeting receives the header with which a connection begins, and perhaps
// the first bytes after it.
func (p *proxy) receiveGreeting(pr *pair) {
	if pr.head == nil {
		pr.head = make([]byte, 0, maxGreeting)
	}
	if s, ok := p.ask(pr, proxyGreeting, 0); ok {
		s.PrepRecv(pr.ends[0].fd, pr.head[len(pr.head):cap(pr.head)], 0)
	}
}

func (p *proxy) greeted(pr *pair, c uring.CQE) {
	if pr.state != greeting0 {
		p.settle(pr)
		return
	}
	if c.Res <= 0 {
		err := c.Err()
		if err == nil {
			err = errors.New("the client left before it had sent a header of the PROXY protocol")
		}
		p.abort(pr, clientSide, endGreeting, err)
		return
	}
	pr.head = pr.head[:len(pr.head)+int(c.Res)]
	g, n, err := parseGreeting(pr.head)
	switch {
	case errors.Is(err, errShortGreeting) && len(pr.head) < cap(pr.head):
		p.receiveGreeting(pr)
		return
	case err != nil:
		p.abort(pr, clientSide, endGreeting, err)
		return
	}
	pr.head = pr.head[n:]
	if g.from.IsValid() {
		pr.client, pr.local = g.from, g.to
	}
	p.dial(pr)
}

// dial connects to the next address that the pair's route leads to.
func (p *proxy) dial(pr *pair) {
	pr.state = connecting
	pr.timedOut = false
	a, ok := p.targets.advance(&pr.route)
	if !ok {
		p.abort(pr, targetSide, endConnect, pr.dialErr)
		return
	}
	pr.addr, pr.deadline = a, 0
	s, ok := p.ask(pr, proxySocket, 0)
	if !ok {
		return
	}
	if p.fixedFiles {
		s.PrepSocketDirect(a.domain, syscall.SOCK_STREAM, 0, uring.DirectAlloc)
	} else {
		s.PrepSocket(a.domain, syscall.SOCK_STREAM|uring.CloseOnExec, 0)
	}
}

// opened connects the socket that was opened.
func (p *proxy) opened(pr *pair, c uring.CQE) {
	if err := c.Err(); err != nil {
		p.abort(pr, targetSide, endConnect, fmt.Errorf("open a socket: %w", err))
		p.settle(pr) // it may have been aborted before
		return
	}
	pr.ends[1] = end{fd: p.descriptor(c.Res), open: true}
	if pr.state != connecting {
		p.settle(pr)
		return
	}
	if pr.addr.domain != syscall.AF_UNIX {
		for _, o := range p.options {
			p.setOption(pr, 1, o.level, o.name, o.value)
		}
	}
	pr.deadline = p.after(p.connectTime)
	if s, ok := p.ask(pr, proxyConnect, 0); ok {
		s.PrepConnect(pr.ends[1].fd, pr.addr.sock)
	}
}

// connected forwards, or tries the next address.
func (p *proxy) connected(pr *pair, c uring.CQE) {
	err := c.Err()
	switch {
	case pr.state != connecting:
		p.settle(pr)
	case err == nil:
		pr.route.answered()
		p.start(pr)
	case pr.left:
		p.abort(pr, clientSide, endClient, errLeft)
	default:
		if pr.timedOut {
			err = fmt.Errorf("no answer in %v", p.connectTime)
		}
		pr.dialErr = fmt.Errorf("connect to %s: %w", pr.route.target.name, err)
		if p.targets.failed(&pr.route) {
			p.log.warn("target is down", "target", pr.route.target.name, "error", err)
		}
		p.stats.retries++
		p.close(pr, 1) // and then dial
	}
}

var errLeft = errors.New("the client left before there was a connection")

// leftTime is how long a connection to a target may still take when the client has
// closed its side and sent nothing.
const leftTime = time.Second

// watchClient asks to be told when the client is gone, of a pair whose target takes its
// time.
func (p *proxy) watchClient(pr *pair) {
	if pr.watched {
		return
	}
	pr.watched = true
	if s, ok := p.ask(pr, proxyHangup, 0); ok {
		s.PrepPollAdd(pr.ends[0].fd, 0)
	}
}

// clientGone handles that the client closes its side, or all, while the target has
// not answered.
func (p *proxy) clientGone(pr *pair, events uring.PollMask) {
	switch {
	case pr.state != connecting || events == 0:
		return
	case events&(uring.PollErr|uring.PollHup) != 0:
		p.abort(pr, clientSide, endClient, errLeft)
		return
	}
	if s, ok := p.ask(pr, proxyPeek, 0); ok {
		s.PrepRecv(pr.ends[0].fd, p.peek[:], syscall.MSG_PEEK|syscall.MSG_DONTWAIT)
	}
}

// peeked gives up soon if the client has sent nothing: it may want to hear what the
// target says, but more likely it is gone.
func (p *proxy) peeked(pr *pair, c uring.CQE) {
	if c.Res == 0 && pr.state == connecting && len(pr.head) == 0 {
		pr.left = true
		if t := p.after(leftTime); pr.deadline == 0 || t < pr.deadline {
			pr.deadline = t
		}
	}
	p.settle(pr)
}

// A sockOption is an option of each TCP connection.
type sockOption struct {
	level, name int
	value       []byte
}

// TCP_KEEPIDLE and TCP_KEEPINTVL, which package syscall has on Linux only.
const (
	tcpKeepIdle     = 4
	tcpKeepInterval = 5
)

// tcpOptions are those that the configuration asks for.
func (c *proxyConfig) tcpOptions() (list []sockOption) {
	set := func(level, name, value int) {
		list = append(list, sockOption{level, name, binary.NativeEndian.AppendUint32(nil, uint32(value))})
	}
	if !c.nagle {
		set(syscall.IPPROTO_TCP, syscall.TCP_NODELAY, 1)
	}
	if c.keepalive > 0 {
		seconds := int(c.keepalive / time.Second)
		set(syscall.SOL_SOCKET, syscall.SO_KEEPALIVE, 1)
		set(syscall.IPPROTO_TCP, tcpKeepIdle, seconds)
		set(syscall.IPPROTO_TCP, tcpKeepInterval, min(seconds, 15))
	}
	return list
}

// inherit sets the options of the listener: connections have those of theirs.
func (p *proxy) inherit() error {
	if _, ok := p.listener.tcp(); !ok {
		return nil
	}
	for _, o := range p.options {
		if err := syscall.SetsockoptString(int(p.ln), o.level, o.name, string(o.value)); err != nil {
			return fmt.Errorf("set option %d of the listener: %w", o.name, err)
		}
	}
	return nil
}

// greetingOf is the header that the target gets.
func (p *proxy) greetingOf(pr *pair) []byte {
	if p.sendGreet == 0 {
		return nil
	}
	to := pr.local
	if !to.IsValid() {
		to, _ = p.listener.tcp()
		if fd := pr.ends[0].fd; !fd.IsDirect() {
			to = localOf(int(fd))
		}
	}
	return greeting{pr.client, to}.append(nil, p.sendGreet)
}

func localOf(fd int) netip.AddrPort {
	sa, err := syscall.Getsockname(fd)
	if err != nil {
		return netip.AddrPort{}
	}
	return addrPortOf(sa)
}
