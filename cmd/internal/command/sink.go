package command

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"syscall"
	"time"

	"github.com/uring-go/uring"
)

// A sinkConfig says what to do with connections.
type sinkConfig struct {
	Listen string // host:port; port 0 picks a free one
	SHA256 bool   // hash what each connection sends
	Conns  int    // end when this many connections have ended; 0 is never
	// Rate is how many bytes a second to read from each connection at most;
	// 0 is no limit.
	Rate int64
	// Stats is how often to call Progress; 0 is never.
	Stats time.Duration

	// The functions may be nil. They run between completions and must be quick.
	Ready    func(netip.AddrPort) // gets the address, once connections are accepted
	Ended    func(connResult)     // gets each connection as it ends
	Progress func(sinkProgress)

	// receive is how to receive; nil is the best that the kernel has.
	receive *receiveMode
}

// A sinkProgress is what a sink has done so far.
type sinkProgress struct {
	Open, Ended int // connections
	Bytes       int64
}

// A receiveMode is a way to receive. Linux 6.1 is enough, except where a field
// names another kernel.
type receiveMode struct {
	Incremental bool // Linux 6.12
	Bundle      bool // Linux 6.10
}

func bestReceiveMode() *receiveMode {
	incremental := uring.HaveIncremental() == nil
	return &receiveMode{
		Incremental: incremental,
		Bundle:      haveBundles(incremental) == nil,
	}
}

// haveBundles says why bundles cannot be received into buffers of a kind: some
// kernels get them right with one kind only.
func haveBundles(incremental bool) error {
	if incremental {
		return uring.HaveIncrementalBundles()
	}
	return uring.HaveBundles()
}

// buffers returns the buffers that suit the mode. Together they should fit
// into the processor's cache. A classic buffer is used up by the smallest
// receive, so there must be many.
func (m *receiveMode) buffers() uring.BufRingConfig {
	if m.Incremental {
		return uring.BufRingConfig{Entries: 32, BufSize: 64 << 10, Incremental: true}
	}
	return uring.BufRingConfig{Entries: 256, BufSize: 8 << 10}
}

const (
	kindAccept uint8 = kindOwn + iota
	kindAcceptLater
	kindRecv
	kindHangup
	kindPause // of a slow reader
	kindStats
)

// acceptPause is how long to wait when no descriptor or memory is left for
// another connection. They stay in the kernel's queue meanwhile.
const acceptPause = 100 * time.Millisecond

// runSink accepts connections and receives all that they send, until ctx is
// done or cfg.Conns have ended. The end of ctx is no error. A connection that
// does not end with the peer's FIN is one.
func runSink(ctx context.Context, cfg sinkConfig) (transferResult, error) {
	file, addr, err := listen(ctx, cfg.Listen)
	if err != nil {
		return transferResult{}, err
	}
	defer file.Close()
	w, err := newWaker(ctx)
	if err != nil {
		return transferResult{}, err
	}
	defer w.close()
	s := &sink{cfg: cfg, listener: uring.FD(file.Fd()), transfers: transfers{until: cfg.Conns, report: cfg.Ended}}
	// Descriptors are closed once no request uses them.
	defer s.closeConns()
	err = uring.Serve(uring.Config{CQEntries: 4096}, func(r *uring.Ring) error {
		return s.serve(r, w, addr)
	})
	return s.total, errors.Join(err, s.total.err())
}

// listen opens a listener at host:port.
func listen(ctx context.Context, address string) (*os.File, netip.AddrPort, error) {
	l, err := listenTCP(ctx, address, false)
	if err != nil {
		return nil, netip.AddrPort{}, err
	}
	defer l.Close()
	file, err := l.File()
	return file, l.Addr().(*net.TCPAddr).AddrPort(), err
}

// A sink is the state of runSink. It lives on the ring's goroutine.
type sink struct {
	transfers
	cfg      sinkConfig
	listener uring.FD
	buffers  *uring.BufRing
	bundle   uring.IOFlags

	conns    []*sinkConn // by slot; nil is free
	free     []uint32    // slots
	accepted int
	bytes    int64 // of all connections
}

// A sinkConn is a connection that is open.
type sinkConn struct {
	transfer
	slot, generation uint32
	fd               int
	watched          bool               // a request waits for the peer to be gone
	single           bool               // receive without multishot
	take             func([]byte) error // write, made once
}

func (c *sinkConn) write(p []byte) error {
	c.count(p)
	return nil
}

func (c *sinkConn) token(kind uint8) uring.Token {
	return uring.MakeToken(kind, c.generation, c.slot)
}

func (s *sink) serve(r *uring.Ring, w *waker, addr netip.AddrPort) error {
	s.ring = r
	mode := s.cfg.receive
	if mode == nil {
		mode = bestReceiveMode()
		// A slow reader takes pieces, which many kernels can with classic buffers only.
		mode.Incremental = mode.Incremental && (s.cfg.Rate == 0 || uring.HaveRecvMultishotLimit() == nil)
	}
	if mode.Bundle {
		s.bundle = uring.Bundle
	}
	var err error
	if s.buffers, err = r.NewBufRing(mode.buffers()); err != nil {
		return err
	}
	if err := s.accept(); err != nil {
		return err
	}
	if err := s.armStats(); err != nil {
		return err
	}
	if s.cfg.Ready != nil {
		s.cfg.Ready(addr)
	}
	if err := s.run(w, s.cancelAll, s.handle); err != nil {
		return err
	}
	return s.buffers.Close()
}

func (s *sink) handle(c uring.CQE) error {
	switch c.Token().Kind() {
	case kindAccept:
		return s.onAccept(c)
	case kindAcceptLater:
		return s.accept()
	case kindRecv:
		return s.onRecv(c)
	case kindHangup:
		return s.onHangup(s.conn(c.Token()))
	case kindPause:
		return s.receive(s.conn(c.Token()))
	case kindStats:
		return s.onStats()
	}
	return fmt.Errorf("completion of an unknown request: %+v", c)
}

func (s *sink) accept() error {
	if s.stopping {
		return nil
	}
	sqe, err := s.request(uring.MakeToken(kindAccept, 0, 0))
	if err != nil {
		return err
	}
	sqe.PrepAcceptMultishot(s.listener, uring.CloseOnExec)
	return nil
}

func (s *sink) acceptLater() error {
	if s.stopping {
		return nil
	}
	sqe, err := s.request(uring.MakeToken(kindAcceptLater, 0, 0))
	if err != nil {
		return err
	}
	sqe.PrepTimeout(acceptPause, 0, 0)
	return nil
}

func (s *sink) onAccept(c uring.CQE) error {
	if c.Res >= 0 {
		if err := s.open(int(c.Res)); err != nil {
			return err
		}
	}
	if c.More() {
		return nil
	}
	switch err := c.Err(); err {
	case nil, syscall.ECANCELED, syscall.ECONNABORTED:
		return s.accept()
	case syscall.EMFILE, syscall.ENFILE, syscall.ENOMEM, syscall.ENOBUFS:
		return s.acceptLater()
	default:
		return fmt.Errorf("accept: %w", err)
	}
}

// open starts to receive on a new connection.
func (s *sink) open(fd int) error {
	c := &sinkConn{transfer: newTransfer(s.accepted, peerOf(fd), s.cfg.SHA256), fd: fd}
	if s.accepted == 0 {
		s.started = c.started
	}
	// Generations tell apart the connections that have had a slot.
	c.generation = uint32(s.accepted)
	s.accepted++
	c.take = c.write
	s.place(c)
	if err := s.watch(c); err != nil {
		return err
	}
	return s.receive(c)
}

// watch polls for the peer's end, which a multishot receive can miss.
func (s *sink) watch(c *sinkConn) error {
	if s.cfg.Rate > 0 || s.stopping {
		return nil
	}
	sqe, err := s.request(c.token(kindHangup))
	if err != nil {
		return err
	}
	sqe.PrepPollAdd(uring.FD(c.fd), 0)
	c.watched = true
	return nil
}

// onHangup receives, without multishot, what the peer sent before its end.
func (s *sink) onHangup(c *sinkConn) error {
	if c == nil || s.stopping {
		return nil
	}
	c.watched, c.single = false, true
	return s.cancel(c.token(kindRecv))
}

// place finds a slot for c.
func (s *sink) place(c *sinkConn) {
	if n := len(s.free); n > 0 {
		c.slot = s.free[n-1]
		s.free = s.free[:n-1]
		s.conns[c.slot] = c
		return
	}
	c.slot = uint32(len(s.conns))
	s.conns = append(s.conns, c)
}

// conn returns the connection that a token belongs to, nil if it is gone.
func (s *sink) conn(t uring.Token) *sinkConn {
	c := s.conns[t.Slot()]
	if c == nil || c.token(t.Kind()) != t {
		return nil
	}
	return c
}

// receive arms a receive. A slow reader's takes one piece, as a multishot
// receive would not stop.
func (s *sink) receive(c *sinkConn) error {
	if s.stopping {
		return s.end(c, errInterrupted)
	}
	sqe, err := s.request(c.token(kindRecv))
	if err != nil {
		return err
	}
	switch {
	case s.cfg.Rate > 0:
		return sqe.PrepRecvProvided(uring.FD(c.fd), s.buffers, s.piece(), 0, 0)
	case c.single:
		return sqe.PrepRecvProvided(uring.FD(c.fd), s.buffers, 0, 0, 0)
	}
	return sqe.PrepRecvMultishot(uring.FD(c.fd), s.buffers, s.bundle)
}

// piece is how much a slow reader reads at once: about a twentieth of a
// second's worth.
func (s *sink) piece() int {
	return int(max(1, min(s.cfg.Rate/20, int64(s.buffers.BufSize()))))
}

func (s *sink) onRecv(cqe uring.CQE) error {
	c := s.conn(cqe.Token())
	if c == nil {
		return s.onStray(cqe)
	}
	err := s.buffers.Consume(cqe, c.take)
	if err != nil && cqe.Err() == nil {
		return err
	}
	s.bytes += int64(max(cqe.Res, 0))
	switch {
	case cqe.More():
		return nil
	case err == syscall.ENOBUFS:
		// The buffers of earlier completions have been returned.
		return s.receive(c)
	case err == syscall.ECANCELED && s.stopping:
		return s.end(c, errInterrupted)
	case err == syscall.ECANCELED && c.single:
		return s.receive(c)
	case err != nil:
		return s.end(c, err)
	case cqe.Res == 0:
		return s.end(c, nil)
	case s.cfg.Rate > 0:
		return s.pause(c)
	}
	return s.receive(c)
}

// onStray handles a completion after the last one, which Linux 6.1 and 6.10
// have been seen to post for a reset connection. It may hold a buffer.
func (s *sink) onStray(cqe uring.CQE) error {
	if !cqe.More() {
		s.inFlight++ // its request is over and was counted
	}
	err := s.buffers.Consume(cqe, func([]byte) error { return nil })
	if cqe.Err() != nil {
		return nil
	}
	return err
}

// pause waits until a slow reader may read on.
func (s *sink) pause(c *sinkConn) error {
	due := c.started.Add(time.Duration(float64(c.result.Bytes) / float64(s.cfg.Rate) * float64(time.Second)))
	wait := time.Until(due)
	if wait <= 0 || s.stopping {
		return s.receive(c)
	}
	sqe, err := s.request(c.token(kindPause))
	if err != nil {
		return err
	}
	sqe.PrepTimeout(wait, 0, 0)
	return nil
}

// end closes a connection of which no receive is in flight.
func (s *sink) end(c *sinkConn, why error) error {
	if c.watched && !s.stopping {
		if err := s.cancel(c.token(kindHangup)); err != nil { // the poll holds the connection open
			return err
		}
	}
	syscall.Close(c.fd)
	s.conns[c.slot] = nil
	s.free = append(s.free, c.slot)
	return s.ended(&c.transfer, why)
}

func (s *sink) armStats() error {
	if s.cfg.Stats <= 0 || s.stopping {
		return nil
	}
	sqe, err := s.request(uring.MakeToken(kindStats, 0, 0))
	if err != nil {
		return err
	}
	sqe.PrepTimeout(s.cfg.Stats, 0, 0)
	return nil
}

func (s *sink) onStats() error {
	if s.cfg.Progress != nil && !s.stopping {
		s.cfg.Progress(sinkProgress{Open: s.accepted - s.total.Conns, Ended: s.total.Conns, Bytes: s.bytes})
	}
	return s.armStats()
}

// closeConns closes what an error of the ring left open.
func (s *sink) closeConns() {
	for _, c := range s.conns {
		if c != nil {
			syscall.Close(c.fd)
		}
	}
}

func peerOf(fd int) netip.AddrPort {
	sa, err := syscall.Getpeername(fd)
	if err != nil {
		return netip.AddrPort{}
	}
	return addrPortOf(sa)
}

func addrPortOf(sa syscall.Sockaddr) netip.AddrPort {
	switch sa := sa.(type) {
	case *syscall.SockaddrInet4:
		return netip.AddrPortFrom(netip.AddrFrom4(sa.Addr), uint16(sa.Port))
	case *syscall.SockaddrInet6:
		return netip.AddrPortFrom(netip.AddrFrom16(sa.Addr).Unmap(), uint16(sa.Port))
	}
	return netip.AddrPort{}
}
