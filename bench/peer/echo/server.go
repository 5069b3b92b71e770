package main

import (
	"errors"
	"log"
	"net"
	"syscall"

	"github.com/uring-go/uring"
	"github.com/uring-go/uring/bench/internal/peer"
)

// The kinds of requests in their tokens; the slot is the descriptor.
const (
	accepting uint8 = iota + 1
	receiving
	sending
	waking
)

// A server is what both ways to use the package have in common.
type server struct {
	ring     *uring.Ring
	br       *uring.BufRing
	listener uring.FD
	conns    []*conn // by descriptor
}

// A conn is a connection; it is gone when it has ended and nothing is in
// flight.
type conn struct {
	fd    int
	q     *uring.SendQueue
	ended bool
	in    chan uring.Segment // for the goroutine that answers, if it has one

	completion uring.CQE               // for the coroutine that answers, if it has one
	next       func() (struct{}, bool) // runs it
}

// open makes the buffers and arms the accept, as c/echo.c does.
func open(ring *uring.Ring, l *net.TCPListener) *server {
	f, err := l.File()
	peer.Must(err)
	br, err := ring.NewBufRing(uring.BufRingConfig{Group: 1, Entries: 2048, BufSize: 4096})
	peer.Must(err)
	s := &server{ring: ring, br: br, listener: uring.FD(f.Fd())}
	s.accept()
	return s
}

func (s *server) request(kind uint8, fd int) uring.SQE {
	sqe, err := s.ring.NextSQE()
	if errors.Is(err, uring.ErrSQFull) {
		_, err = s.ring.Submit()
		peer.Must(err)
		sqe, err = s.ring.NextSQE()
	}
	peer.Must(err)
	sqe.UserData = uint64(uring.MakeToken(kind, 0, uint32(fd)))
	return sqe
}

func (s *server) accept() {
	s.request(accepting, 0).PrepAcceptMultishot(s.listener, syscall.SOCK_CLOEXEC)
}

func (s *server) receive(fd int) {
	peer.Must(s.request(receiving, fd).PrepRecvMultishot(uring.FD(fd), s.br, 0))
}

func (s *server) accepted(c uring.CQE) *conn {
	peer.Must(c.Err())
	fd := int(c.Res)
	if !c.More() {
		s.accept()
	}
	peer.Must(syscall.SetsockoptInt(fd, syscall.IPPROTO_TCP, syscall.TCP_NODELAY, 1))
	q, err := s.ring.NewSendQueue(uring.FD(fd), uring.SendQueueConfig{
		Token: uring.MakeToken(sending, 0, uint32(fd)), Mode: uring.SendPlain, Entries: 16,
	})
	peer.Must(err)
	for len(s.conns) <= fd {
		s.conns = append(s.conns, nil)
	}
	s.conns[fd] = &conn{fd: fd, q: q}
	s.receive(fd)
	return s.conns[fd]
}

// over says whether a receive's completion was the connection's last, and arms
// another one where that is needed.
func (s *server) over(cn *conn, c uring.CQE, err error) bool {
	switch {
	case errors.Is(err, syscall.ENOBUFS):
		s.receive(cn.fd)
		return false
	case err != nil && !errors.Is(err, syscall.ECONNRESET):
		log.Print(err)
	}
	if err != nil || c.Res == 0 {
		cn.ended = true
		return true
	}
	if !c.More() {
		s.receive(cn.fd)
	}
	return false
}

func (s *server) sent(cn *conn, c uring.CQE) {
	if _, err := cn.q.Complete(c); err != nil {
		s.release(cn)
		return
	}
	if cn.q.Queued() > 0 {
		peer.Must(cn.q.Flush())
	}
	s.release(cn)
}

// release closes a connection that has ended once nothing is in flight.
func (s *server) release(cn *conn) {
	if !cn.ended || cn.q.InFlight() || s.conns[cn.fd] != cn {
		return
	}
	peer.Must(cn.q.Close())
	peer.Must(syscall.Close(cn.fd))
	s.conns[cn.fd] = nil
}
