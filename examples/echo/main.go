// Echo is a server that sends back what it receives, from buffers that all share.
//
//	go run ./examples/echo -listen 127.0.0.1:7777
package main

import (
	"context"
	"errors"
	"flag"
	"io"
	"log"
	"net"
	"os/signal"
	"syscall"

	"github.com/uring-go/uring"
)

func main() {
	address := flag.String("listen", "127.0.0.1:7777", "address to listen on")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	listener, err := net.Listen("tcp", *address)
	if err == nil {
		log.Println("listening on", listener.Addr())
		err = serve(ctx, listener.(*net.TCPListener))
	}
	if err != nil {
		log.Fatal(err)
	}
}

// The kinds of requests. The slot of a token is the connection's descriptor.
const accepting, receiving, sending = 1, 2, 3

// A server is the state of serve. It belongs to the ring's goroutine.
type server struct {
	ring     *uring.Ring
	buffers  *uring.BufRing
	acceptor *uring.Acceptor
	conns    map[uint32]conn
}

// A conn is an open connection: what comes in goes out.
type conn struct {
	in  *uring.RecvStream
	out *uring.SendQueue
}

// serve echoes until ctx is done and every client has got what it sent.
func serve(ctx context.Context, listener *net.TCPListener) error {
	fd, err := uring.FDOf(listener)
	if err != nil {
		return err
	}
	defer listener.Close()
	// A listener that is shut down ends the acceptor.
	defer context.AfterFunc(ctx, func() { _ = syscall.Shutdown(int(fd), syscall.SHUT_RDWR) })()
	return uring.Serve(uring.Config{CQEntries: 4096}, func(ring *uring.Ring) (err error) {
		s := server{ring: ring, conns: map[uint32]conn{}}
		// Spare: so many buffers are left when clients do not read.
		c := uring.BufRingConfig{Entries: 64, BufSize: 64 << 10, Spare: 16, Incremental: uring.HaveRecvMultishotLimit() == nil}
		if s.buffers, err = ring.NewBufRing(c); err == nil {
			s.acceptor, err = ring.NewAcceptor(fd, uring.AcceptorConfig{Token: uring.MakeToken(accepting, 0, 0)})
		}
		for err == nil && (s.acceptor.InFlight() || len(s.conns) > 0) {
			_, err = ring.SubmitAndWait(1)
			for cqe := range ring.Completions() {
				err = errors.Join(err, s.handle(cqe))
			}
		}
		for fd := range s.conns { // only after an error
			_ = syscall.Close(int(fd))
		}
		return err
	})
}

func (s *server) handle(cqe uring.CQE) (err error) {
	fd := cqe.Token().Slot()
	c := s.conns[fd]
	switch cqe.Token().Kind() {
	case accepting:
		return s.accepted(cqe)
	case receiving:
		_, err = c.in.Complete(cqe)
	case sending:
		_, _ = c.out.Complete(cqe) // Err tells, too
	}
	ended, failed := c.in.Err(), c.out.Err()
	switch {
	case failed != nil || ended != nil && ended != io.EOF:
		_ = syscall.Shutdown(int(fd), syscall.SHUT_RDWR) // the requests end
	case c.out.Queued() > 0:
		return errors.Join(err, c.out.Flush())
	}
	if err != nil || ended == nil || c.in.InFlight() || c.out.InFlight() {
		return err
	}
	delete(s.conns, fd)
	return errors.Join(c.in.Close(), c.out.Close(), syscall.Close(int(fd)))
}

func (s *server) accepted(cqe uring.CQE) error {
	fd, ok, err := s.acceptor.Complete(cqe)
	if ok {
		c, slot := conn{}, uint32(fd)
		if c.out, err = s.ring.NewSendQueue(fd, uring.SendQueueConfig{Token: uring.MakeToken(sending, 0, slot)}); err == nil {
			c.in, err = s.ring.NewRecvStream(fd, s.buffers, uring.RecvStreamConfig{Token: uring.MakeToken(receiving, 0, slot), To: c.out})
		}
		s.conns[slot] = c
	}
	if s.acceptor.Err() != nil { // nothing more comes in, but what came goes out
		for slot := range s.conns {
			_ = syscall.Shutdown(int(slot), syscall.SHUT_RD)
		}
	}
	return err
}
