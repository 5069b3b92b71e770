package command

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"syscall"
	"time"

	"github.com/uring-go/uring"
)

// A sendConfig says what to send. Either Bytes or File is used.
type sendConfig struct {
	To     string // host:port
	Bytes  int64  // send this many pseudo-random bytes over each connection
	Seed   uint64 // of these bytes; each connection sends others
	File   string // send what this file holds, Repeat times; stdinName is what comes there
	Repeat int
	// MsgSize is the length of each send in bytes. The last one, and one after
	// a short send, may be shorter.
	MsgSize int
	Conns   int // connections, all at the same time
	SHA256  bool
	NoDelay bool // set TCP_NODELAY

	Ended func(connResult) // as in sinkConfig
}

// Small messages are sent in chains of linked requests: the kernel starts each
// request when the one before it is done. So messages stay in order, and each
// is a send of its own, as in a program that makes a system call for each; but
// a chain costs one system call. All but the last succeed silently: a chain has
// one completion, that of its last request, or of the one that failed.
const (
	chainLength = 64
	chunkSize   = 64 << 10 // how much of the content is prepared at once
	dropSize    = 64 << 10 // how much of what comes back is dropped at once
)

// stdinName stands for standard input, which can be sent once, over one connection.
const stdinName = "-"

// The tokens of a sender have the position in the chain as their generation:
// each slot keeps its connection.
const (
	kindSocket uint8 = kindOwn + iota
	kindConnect
	kindSend
	kindRead // of standard input
	kindDrop // what the peer sends
)

// runSend connects, sends everything, and waits for the peers to close. It
// returns an error if ctx is done before that, or if a connection fails.
func runSend(ctx context.Context, cfg sendConfig) (transferResult, error) {
	to, err := resolve(ctx, cfg.To)
	if err != nil {
		return transferResult{}, err
	}
	addr, err := uring.InetAddr(to)
	if err != nil {
		return transferResult{}, err
	}
	w, err := newWaker(ctx)
	if err != nil {
		return transferResult{}, err
	}
	defer w.close()
	s := &sender{cfg: cfg, to: to, addr: addr, transfers: transfers{until: cfg.Conns, report: cfg.Ended}}
	if err := s.makeConns(); err != nil {
		return transferResult{}, err
	}
	err = uring.Serve(uring.Config{}, func(r *uring.Ring) error { return s.serve(r, w) })
	s.release(err)
	if err == nil && s.total.Interrupted > 0 {
		err = context.Cause(ctx)
	}
	return s.total, errors.Join(err, s.total.err())
}

// resolve finds the address of host:port.
func resolve(ctx context.Context, hostPort string) (netip.AddrPort, error) {
	all, err := resolveAll(ctx, hostPort)
	if err != nil {
		return netip.AddrPort{}, err
	}
	return all[0], nil
}

// A sender is the state of runSend. It lives on the ring's goroutine.
type sender struct {
	transfers
	cfg   sendConfig
	to    netip.AddrPort
	addr  uring.Sockaddr
	file  *fileContent // nil for pseudo-random content, and standard input
	arena *uring.Arena
	drop  []byte // for what nobody wants, of all connections
	conns []*sendConn
}

// A sendConn is a connection on its way from socket to close.
type sendConn struct {
	transfer
	slot    uint32
	fd      int     // -1 before and after
	content content // nil for standard input
	next    int64   // offset in content of what comes into buf next
	buf     []byte  // messages that wait are buf[lo:hi]
	lo, hi  int

	sending bool // a request of kindSend or kindRead is in flight
	reading bool // one of kindDrop is
	sentAll bool
	gotEnd  bool  // the peer has sent everything
	broken  error // why the connection ends early
}

func (c *sendConn) token(kind uint8) uring.Token { return uring.MakeToken(kind, 0, c.slot) }

// makeConns makes the state of all connections, with one arena for all of them.
func (s *sender) makeConns() (err error) {
	if s.cfg.File != "" && s.cfg.File != stdinName {
		if s.file, err = openFileContent(s.cfg.File, s.cfg.Repeat); err != nil {
			return err
		}
	}
	// Room for whole messages, so that only the last one may be short.
	size := max(1, chunkSize/s.cfg.MsgSize) * s.cfg.MsgSize
	if s.arena, err = uring.NewArena(uring.ArenaConfig{Size: size*s.cfg.Conns + dropSize}); err != nil {
		s.release(nil)
		return err
	}
	s.drop = s.arena.Bytes()[size*s.cfg.Conns:][:dropSize]
	random := s.cfg.File == ""
	var block []byte
	if random {
		block = randomBlock(s.cfg.Seed)
	}
	for i := range s.cfg.Conns {
		c := &sendConn{transfer: newTransfer(i, s.to, s.cfg.SHA256), slot: uint32(i), fd: -1}
		switch {
		case random:
			c.content = newRandomContent(s.cfg.Bytes, block, s.cfg.Seed, i)
		case s.file != nil:
			c.content = s.file
		}
		c.buf = s.arena.Bytes()[i*size:][:size]
		s.conns = append(s.conns, c)
	}
	return nil
}

// release frees the sender's memory and files after the ring was closed with
// err.
func (s *sender) release(err error) {
	for _, c := range s.conns {
		if c.fd >= 0 {
			syscall.Close(c.fd)
		}
	}
	if s.file != nil {
		s.file.file.Close()
	}
	// A ring that could not be closed may have requests that use the memory.
	if s.arena != nil && !errors.Is(err, uring.ErrBusy) {
		s.arena.Close()
	}
}

func (s *sender) serve(r *uring.Ring, w *waker) error {
	s.ring = r
	s.started = time.Now()
	for _, c := range s.conns {
		if err := s.socket(c); err != nil {
			return err
		}
	}
	return s.run(w, s.stop, s.handle)
}

// stop ends all connections. Cancelling does not reach a chain that is between
// two of its sends; shutting the socket down makes the next one fail.
func (s *sender) stop() error {
	for _, c := range s.conns {
		if c.fd >= 0 {
			_ = syscall.Shutdown(c.fd, syscall.SHUT_RDWR)
		}
	}
	return s.cancelAll()
}

func (s *sender) handle(cqe uring.CQE) error {
	t := cqe.Token()
	c := s.conns[t.Slot()]
	err := cqe.Err()
	switch t.Kind() {
	case kindSend:
		c.sending = false
		s.sent(c, int(t.Generation())*s.cfg.MsgSize+int(max(cqe.Res, 0)))
	case kindRead:
		c.sending = false
	case kindDrop:
		c.reading = false
	case kindSocket:
		if err == nil {
			c.fd = int(cqe.Res)
		}
	}
	switch {
	case s.stopping:
		return s.broke(c, errInterrupted)
	case err != nil:
		return s.broke(c, fmt.Errorf("%s: %w", step(t.Kind(), c.sentAll), err))
	case c.broken != nil:
		return s.broke(c, c.broken)
	}
	switch t.Kind() {
	case kindSocket:
		return s.connect(c)
	case kindConnect:
		c.started = time.Now()
		if err := s.dropNext(c); err != nil {
			return err
		}
		return s.send(c)
	case kindSend:
		return s.send(c)
	case kindRead:
		if c.lo, c.hi = 0, int(cqe.Res); cqe.Res == 0 {
			return s.finish(c)
		}
		return s.chain(c)
	case kindDrop:
		if c.gotEnd = cqe.Res == 0; c.gotEnd {
			return s.done(c)
		}
		return s.dropNext(c)
	}
	return fmt.Errorf("completion of an unknown request: %+v", cqe)
}

// step says what a connection was about.
func step(kind uint8, sentAll bool) string {
	switch kind {
	case kindSocket:
		return "open socket"
	case kindConnect:
		return "connect"
	case kindSend:
		return "send"
	case kindRead:
		return "read standard input"
	}
	if sentAll {
		return "wait for the end of the stream"
	}
	return "receive"
}

// broke ends a connection early, when its last request is over.
func (s *sender) broke(c *sendConn, why error) error {
	if c.broken == nil {
		c.broken = why
	}
	if !c.sending && !c.reading {
		return s.end(c, c.broken)
	}
	_ = syscall.Shutdown(c.fd, syscall.SHUT_RDWR)
	if c.sending && c.content == nil && !s.stopping {
		return s.cancel(c.token(kindRead))
	}
	return nil
}

// done ends a connection over which all has gone, both ways.
func (s *sender) done(c *sendConn) error {
	if !c.sentAll || !c.gotEnd {
		return nil
	}
	return s.end(c, nil)
}

func (s *sender) socket(c *sendConn) error {
	c.started = time.Now()
	sqe, err := s.request(c.token(kindSocket))
	if err != nil {
		return err
	}
	family := syscall.AF_INET
	if s.to.Addr().Is6() {
		family = syscall.AF_INET6
	}
	sqe.PrepSocket(family, syscall.SOCK_STREAM|uring.CloseOnExec, 0)
	return nil
}

func (s *sender) connect(c *sendConn) error {
	if s.cfg.NoDelay {
		if err := syscall.SetsockoptInt(c.fd, syscall.IPPROTO_TCP, syscall.TCP_NODELAY, 1); err != nil {
			return s.broke(c, fmt.Errorf("set TCP_NODELAY: %w", err))
		}
	}
	sqe, err := s.request(c.token(kindConnect))
	if err != nil {
		return err
	}
	sqe.PrepConnect(uring.FD(c.fd), s.addr)
	return nil
}

// send sends the next chain of messages, or ends the stream.
func (s *sender) send(c *sendConn) error {
	if c.lo == c.hi && c.content == nil {
		return s.read(c)
	}
	if c.lo == c.hi {
		c.lo, c.hi = 0, int(min(int64(len(c.buf)), c.content.size()-c.next))
		if c.hi == 0 {
			return s.finish(c)
		}
		if err := c.content.fill(c.buf[:c.hi], c.next); err != nil {
			return s.broke(c, err)
		}
		c.next += int64(c.hi)
	}
	return s.chain(c)
}

// read waits for more on standard input.
func (s *sender) read(c *sendConn) error {
	sqe, err := s.request(c.token(kindRead))
	if err != nil {
		return err
	}
	sqe.PrepRead(uring.FD(os.Stdin.Fd()), c.buf, uring.CurrentOffset)
	c.sending = true
	return nil
}

// chain queues one send for each message that waits, as many as a chain takes.
// MSG_WAITALL makes a short send break the chain.
func (s *sender) chain(c *sendConn) error {
	wait := c.buf[c.lo:c.hi]
	n := min((len(wait)+s.cfg.MsgSize-1)/s.cfg.MsgSize, chainLength)
	if err := s.ring.MakeRoom(n); err != nil {
		return err
	}
	for i := range n {
		sqe, err := s.ring.Request(uring.MakeToken(kindSend, uint32(i), c.slot))
		if err != nil {
			return err
		}
		msg := wait[:min(len(wait), s.cfg.MsgSize)]
		wait = wait[len(msg):]
		sqe.PrepSend(uring.FD(c.fd), msg, uring.NoSignal|syscall.MSG_WAITALL)
		if i < n-1 {
			if err := sqe.SetFlags(uring.Link | uring.SkipSuccess); err != nil {
				return err
			}
		}
	}
	s.inFlight++ // a chain has one completion
	c.sending = true
	return nil
}

// sent notes that the kernel took the next n bytes.
func (s *sender) sent(c *sendConn, n int) {
	c.count(c.buf[c.lo : c.lo+n])
	c.lo += n
}

// finish ends the stream. That is a plain system call, which does not block;
// as a request the kernel would hand it to a worker thread.
func (s *sender) finish(c *sendConn) error {
	c.sentAll = true
	if err := syscall.Shutdown(c.fd, syscall.SHUT_WR); err != nil && !c.gotEnd {
		return s.broke(c, fmt.Errorf("shut down: %w", err))
	}
	return s.done(c)
}

// dropNext receives what the peer sends, until it closes, and drops it: a peer that
// answers while it is sent to must not wait. That it closes tells that it has read
// everything.
func (s *sender) dropNext(c *sendConn) error {
	sqe, err := s.request(c.token(kindDrop))
	if err != nil {
		return err
	}
	sqe.PrepRecv(uring.FD(c.fd), s.drop, syscall.MSG_TRUNC)
	c.reading = true
	return nil
}

// end closes a connection of which no request is in flight.
func (s *sender) end(c *sendConn, why error) error {
	if c.fd >= 0 {
		syscall.Close(c.fd)
		c.fd = -1
	}
	return s.ended(&c.transfer, why)
}
