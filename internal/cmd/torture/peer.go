//go:build linux

package main

import (
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// A farEnd is the other end of what a ring receives from: a plain socket or pipe.
type farEnd interface {
	io.ReadWriteCloser
	SetDeadline(time.Time) error
}

// An ending is how a peer ends its connection.
type ending int

const (
	stays      ending = iota // until the round ends; it closes its half then
	halfCloses               // it sends nothing more
	closes                   // both halves
	resets
	endings
)

// A peer is the far end of a connection, with a goroutine that sends and one that
// receives. It knows what it sent, and the ring's side tells it what to expect.
type peer struct {
	farEnd
	rng    *rand.Rand
	out    stream
	ending ending
	after  int64 // how many bytes it sends before it ends; datagrams have no end
	window int64
	dgram  bool
	urgent bool

	planned  atomic.Int64 // bytes, or datagrams, that it may have sent
	sent     atomic.Int64 // that it has
	zeros    atomic.Int64 // empty datagrams
	received atomic.Int64 // by the ring's side
	stop     atomic.Bool
	cut      atomic.Bool // the ring's side does not receive any more
	ended    atomic.Bool // it ends, or has
	wrote    chan struct{}
	read     chan struct{}

	mu      sync.Mutex
	urgents map[int64]int // urgent bytes sent at a position
	runs    []run         // what is to come from the ring's side
	toCome  int64
	err     error
}

func (p *peer) start(reads bool) {
	p.wrote, p.read = make(chan struct{}), make(chan struct{})
	go func() {
		defer close(p.wrote)
		p.fail(p.write())
	}()
	go func() {
		defer close(p.read)
		if reads {
			p.fail(p.receive())
		}
	}()
}

func (p *peer) fail(err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.err = errors.Join(p.err, err)
}

func (p *peer) failure() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.err
}

// write sends until it is told to stop, or its time to end has come.
func (p *peer) write() error {
	buf := make([]byte, 64<<10)
	for !p.stop.Load() && (p.ending == stays || p.sent.Load() < p.after) {
		if p.rng.IntN(6) == 0 {
			time.Sleep(time.Duration(p.rng.IntN(2000)) * time.Microsecond)
		}
		if p.sent.Load()-p.received.Load() >= p.window {
			time.Sleep(100 * time.Microsecond)
			continue
		}
		var err error
		switch {
		case p.dgram:
			err = p.sendDatagram()
		case p.urgent && p.rng.IntN(20) == 0:
			err = p.sendUrgent()
		default:
			err = p.send(buf[:1+p.rng.IntN(1<<p.rng.IntN(17))])
		}
		if err != nil {
			return p.excuse(err)
		}
	}
	return p.excuse(p.end())
}

// excuse drops the error of a connection that the ring's side has given up.
func (p *peer) excuse(err error) error {
	if p.cut.Load() {
		return nil
	}
	return err
}

func (p *peer) send(part []byte) error {
	pos := p.sent.Load()
	p.out.fill(part, pos)
	p.planned.Store(pos + int64(len(part)))
	n, err := p.Write(part)
	p.sent.Add(int64(n))
	return err
}

func (p *peer) sendDatagram() error {
	if p.rng.IntN(30) == 0 {
		p.zeros.Add(1)
		_, err := p.Write(nil)
		return err
	}
	n := datagramHeader + p.rng.IntN(datagramMost-datagramHeader)
	d := p.out.datagram(uint32(p.planned.Load()), n)
	p.planned.Add(1)
	if _, err := p.Write(d); err != nil {
		return err
	}
	p.sent.Add(1)
	return nil
}

// sendUrgent sends bytes that wake receivers without being theirs. One of them
// that comes before an earlier one was taken makes that an ordinary byte: such a
// byte is known by being the complement of the one that follows.
func (p *peer) sendUrgent() error {
	raw, err := p.farEnd.(*net.TCPConn).SyscallConn()
	if err != nil {
		return err
	}
	pos := p.sent.Load()
	for range 140 + p.rng.IntN(60) {
		p.mu.Lock()
		p.urgents[pos]++
		p.mu.Unlock()
		var sendErr error
		err := raw.Write(func(fd uintptr) bool {
			sendErr = syscall.Sendto(int(fd), []byte{^p.out.at(pos)}, syscall.MSG_OOB, nil)
			return sendErr != syscall.EAGAIN
		})
		if err = errors.Join(err, sendErr); err != nil {
			return err
		}
		time.Sleep(time.Duration(20+p.rng.IntN(200)) * time.Microsecond)
	}
	return nil
}

// tookUrgent reports whether b may be an urgent byte sent at pos.
func (p *peer) tookUrgent(pos int64, b byte) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if b != ^p.out.at(pos) || p.urgents[pos] == 0 {
		return false
	}
	p.urgents[pos]--
	return true
}

func (p *peer) end() error {
	p.ended.Store(true)
	if p.dgram {
		return nil
	}
	half, two := p.farEnd.(interface{ CloseWrite() error })
	switch {
	case p.ending == resets:
		if tcp, ok := p.farEnd.(*net.TCPConn); ok {
			_ = tcp.SetLinger(0)
		}
		return p.Close()
	case p.ending == closes || !two:
		return p.Close()
	}
	return half.CloseWrite()
}

// lossy reports whether the peer may end without receiving all, which can cost bytes
// that it sent.
func (p *peer) lossy() bool { return p.ending == resets || p.ending == closes }

// expect says what is to come.
func (p *peer) expect(r run) {
	if r.n == 0 {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.runs = append(p.runs, r)
	p.toCome += int64(r.n)
}

// owed returns how many bytes are still to come.
func (p *peer) owed() int64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.toCome
}

func (p *peer) receive() error {
	rng := rand.New(rand.NewPCG(uint64(p.out), 2))
	slow := rng.IntN(4) == 0
	buf := make([]byte, 1<<(6+rng.IntN(11)))
	for {
		n, err := p.Read(buf)
		if wrong := p.check(buf[:n]); wrong != nil {
			return wrong
		}
		if err != nil {
			return nil // the ring's side looks whether all has come
		}
		if slow && !p.stop.Load() {
			time.Sleep(time.Millisecond)
		}
	}
}

func (p *peer) check(b []byte) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	for len(b) > 0 {
		if len(p.runs) == 0 {
			return fmt.Errorf("a peer gets %d bytes that nobody sent: %.32x", len(b), b)
		}
		r := &p.runs[0]
		part := b[:min(len(b), r.n)]
		if i := r.of.wrong(part, r.pos); i >= 0 {
			return fmt.Errorf("a peer gets wrong bytes, at position %d of a stream: %.32x", r.pos+int64(i), part[i:])
		}
		r.pos += int64(len(part))
		p.toCome -= int64(len(part))
		if r.n -= len(part); r.n == 0 {
			p.runs = p.runs[1:]
		}
		b = b[len(part):]
	}
	return nil
}

// hangUp ends the peer, whatever it does.
func (p *peer) hangUp() {
	p.cut.Store(true)
	p.stop.Store(true)
	_ = p.SetDeadline(time.Now())
	<-p.wrote
	_ = p.Close()
	<-p.read
}

// A link is both ends of a connection: near is for the ring.
type link struct {
	kind string
	near int
	far  farEnd
}

var linkKinds = []string{"tcp", "unix", "pipe", "unix datagrams", "udp"}

func connect(kind string) (l link, err error) {
	l.kind = kind
	var fds [2]int
	switch kind {
	case "tcp":
		return connectTCP()
	case "udp":
		return connectUDP()
	case "pipe":
		err = syscall.Pipe2(fds[:], syscall.O_CLOEXEC)
	case "unix":
		fds, err = syscall.Socketpair(syscall.AF_UNIX, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	default:
		fds, err = syscall.Socketpair(syscall.AF_UNIX, syscall.SOCK_DGRAM|syscall.SOCK_CLOEXEC, 0)
	}
	if err != nil {
		return l, err
	}
	l.near = fds[0]
	if err = syscall.SetNonblock(fds[1], true); err != nil {
		return l, err
	}
	f := os.NewFile(uintptr(fds[1]), kind)
	if kind == "pipe" {
		l.far = f
		return l, nil
	}
	defer f.Close()
	c, err := net.FileConn(f)
	if err != nil {
		return l, err
	}
	l.far = c.(farEnd)
	return l, nil
}

func connectTCP() (link, error) {
	fd, addr, err := bound(syscall.SOCK_STREAM)
	if err != nil {
		return link{}, err
	}
	defer syscall.Close(fd)
	if err := syscall.Listen(fd, 1); err != nil {
		return link{}, err
	}
	c, err := net.Dial("tcp4", addr)
	if err != nil {
		return link{}, err
	}
	near, _, err := syscall.Accept4(fd, syscall.SOCK_CLOEXEC)
	if err == nil {
		err = syscall.SetsockoptInt(near, syscall.IPPROTO_TCP, syscall.TCP_NODELAY, 1)
	}
	return link{"tcp", near, c.(farEnd)}, err
}

// connectUDP leaves the near end unconnected, so that it may send elsewhere too.
func connectUDP() (link, error) {
	fd, addr, err := bound(syscall.SOCK_DGRAM)
	if err != nil {
		return link{}, err
	}
	if err := syscall.SetsockoptInt(fd, syscall.IPPROTO_IP, syscall.IP_RECVERR, 1); err != nil {
		return link{}, err
	}
	c, err := net.Dial("udp4", addr)
	if err != nil {
		return link{}, err
	}
	return link{"udp", fd, c.(farEnd)}, nil
}

// bound returns a socket bound to loopback.
func bound(typ int) (fd int, addr string, err error) {
	if fd, err = syscall.Socket(syscall.AF_INET, typ|syscall.SOCK_CLOEXEC, 0); err != nil {
		return fd, "", err
	}
	if err = syscall.Bind(fd, &syscall.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}); err != nil {
		return fd, "", err
	}
	name, err := syscall.Getsockname(fd)
	if err != nil {
		return fd, "", err
	}
	return fd, fmt.Sprintf("127.0.0.1:%d", name.(*syscall.SockaddrInet4).Port), nil
}
