// Echo is a server that sends back what it receives. All connections share the
// buffers of one incremental ring: a receive takes as much of a buffer as it
// needs, and the bytes are sent from where they were received.
//
//	go run ./examples/echo -listen 127.0.0.1:7777
package main

import (
	"context"
	"flag"
	"fmt"
	"log"
	"net"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/uring-go/uring"
)

func main() {
	address := flag.String("listen", "127.0.0.1:7777", "address to listen on")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	listener, err := net.Listen("tcp", *address)
	if err != nil {
		log.Fatal(err)
	}
	log.Println("listening on", listener.Addr())
	if err := serve(ctx, listener.(*net.TCPListener)); err != nil {
		log.Fatal(err)
	}
}

// The kinds of requests. The slot of a token is the connection's descriptor.
const (
	accepting = iota + 1
	receiving
	sending
	pausing
)

// maxWaiting is how many bytes may wait for a client that does not read before
// no more is received from it. The buffers are lost to others meanwhile.
const maxWaiting = 256 << 10

// A server is the state of serve. It belongs to the ring's goroutine.
type server struct {
	ring     *uring.Ring
	listener uring.FD
	buffers  *uring.BufRing
	conns    map[uint32]*conn // by descriptor
	starved  bool             // connections wait for buffers
	stopping bool
}

// A conn is a connection that is open.
type conn struct {
	fd        uint32
	out       *uring.SendQueue
	receiving bool // a request is in flight
	ended     bool // nothing more comes
}

// serve echoes until ctx is done and every client has got what it sent.
func serve(ctx context.Context, listener *net.TCPListener) error {
	file, err := listener.File()
	if err != nil {
		return err
	}
	defer file.Close()
	// A listener that is shut down ends the accept request, which tells the
	// ring's goroutine.
	control, err := listener.SyscallConn()
	if err != nil {
		return err
	}
	defer context.AfterFunc(ctx, func() {
		_ = control.Control(func(fd uintptr) { _ = syscall.Shutdown(int(fd), syscall.SHUT_RDWR) })
	})()
	s := server{listener: uring.FD(file.Fd()), conns: map[uint32]*conn{}}
	err = uring.Serve(uring.Config{CQEntries: 4096}, s.run)
	for _, c := range s.conns { // only after an error
		syscall.Close(int(c.fd))
	}
	return err
}

func (s *server) run(ring *uring.Ring) (err error) {
	s.ring = ring
	s.buffers, err = ring.NewBufRing(uring.BufRingConfig{
		Group: 1, Entries: 64, BufSize: 64 << 10,
		// Linux 6.17: before, a peer could get its receive into a worker thread,
		// which an incremental ring does not bear. See SQE.PrepRecvProvided.
		Incremental: uring.HaveRecvMultishotLimit() == nil,
	})
	if err != nil {
		return err
	}
	if err := s.accept(); err != nil {
		return err
	}
	for !s.stopping || len(s.conns) > 0 {
		if _, err := ring.SubmitAndWait(1); err != nil {
			return err
		}
		for cqe := range ring.Completions() {
			if err := s.handle(cqe); err != nil {
				return err
			}
		}
		if err := s.feed(); err != nil {
			return err
		}
	}
	return s.buffers.Close()
}

func (s *server) handle(cqe uring.CQE) error {
	c := s.conns[cqe.Token().Slot()]
	switch cqe.Token().Kind() {
	case accepting:
		return s.accepted(cqe)
	case receiving:
		return s.received(c, cqe)
	case sending:
		return s.sent(c, cqe)
	default:
		return s.accept() // the pause is over
	}
}

func (s *server) accept() error {
	sqe, err := s.ring.Request(uring.MakeToken(accepting, 0, 0))
	if err == nil {
		sqe.PrepAcceptMultishot(s.listener, uring.CloseOnExec)
	}
	return err
}

func (s *server) accepted(cqe uring.CQE) error {
	switch err := cqe.Err(); err {
	case nil:
		if err := s.open(uint32(cqe.Res)); err != nil {
			return err
		}
	case syscall.ECONNABORTED: // the client has left
	case syscall.EINVAL: // the listener was shut down
		return s.stop()
	case syscall.EMFILE, syscall.ENFILE: // connections wait in the listener
		return s.pause()
	default:
		return fmt.Errorf("accept: %w", err)
	}
	if cqe.More() {
		return nil
	}
	return s.accept()
}

// pause accepts again in a while.
func (s *server) pause() error {
	sqe, err := s.ring.Request(uring.MakeToken(pausing, 0, 0))
	if err == nil {
		sqe.PrepTimeout(100*time.Millisecond, 0, 0)
	}
	return err
}

// stop ends the input of every connection. What was received is still sent.
func (s *server) stop() error {
	s.stopping = true
	for _, c := range s.conns {
		_ = syscall.Shutdown(int(c.fd), syscall.SHUT_RD) // it may be closed already
	}
	return nil
}

func (s *server) open(fd uint32) error {
	out, err := s.ring.NewSendQueue(uring.FD(fd), uring.SendQueueConfig{
		Token: uring.MakeToken(sending, 0, fd),
	})
	c := &conn{fd: fd, out: out}
	s.conns[fd] = c
	if err != nil {
		return err
	}
	return s.receive(c)
}

// receive takes what is there, up to what is left of a buffer. It is not
// multishot: that could take all buffers for one client before it is cancelled,
// and can miss a reset, see SQE.PrepRecvMultishot.
func (s *server) receive(c *conn) error {
	sqe, err := s.ring.Request(uring.MakeToken(receiving, 0, c.fd))
	if err != nil {
		return err
	}
	c.receiving = true
	return sqe.PrepRecvProvided(uring.FD(c.fd), s.buffers, 0, 0, 0)
}

// received queues what came, where it lies.
func (s *server) received(c *conn, cqe uring.CQE) error {
	c.receiving = false
	n, err := c.out.AppendCompletion(s.buffers, cqe)
	switch {
	case err == syscall.ENOBUFS: // advance goes on
	case c.out.Err() != nil || cqe.Err() != nil: // the connection is broken
		s.abort(c)
	case err != nil:
		return err
	case n == 0:
		c.ended = true
	}
	return s.advance(c)
}

func (s *server) sent(c *conn, cqe uring.CQE) error {
	_, err := c.out.Complete(cqe)
	switch {
	case c.out.Err() != nil: // the client has left
		s.abort(c)
	case err != nil && cqe.Err() == nil:
		return err
	}
	return s.advance(c)
}

// abort makes the requests of a broken connection end.
func (s *server) abort(c *conn) {
	c.ended = true
	_ = syscall.Shutdown(int(c.fd), syscall.SHUT_RDWR)
}

// advance does what is to be done next for a connection.
func (s *server) advance(c *conn) error {
	if c.out.Err() == nil {
		if err := c.out.Flush(); err != nil {
			return err
		}
	}
	waiting := c.out.Queued()
	switch {
	case !c.receiving && !c.ended && waiting < maxWaiting:
		if s.buffers.Stats().InKernel == 0 {
			s.starved = true
			return nil
		}
		return s.receive(c)
	case !c.receiving && c.ended && !c.out.InFlight() && (waiting == 0 || c.out.Err() != nil):
		return s.close(c)
	}
	return nil
}

// feed goes on receiving where there were no buffers, when there are.
func (s *server) feed() error {
	if !s.starved || s.buffers.Stats().InKernel == 0 {
		return nil
	}
	s.starved = false
	for _, c := range s.conns {
		if err := s.advance(c); err != nil {
			return err
		}
	}
	return nil
}

// close closes a connection of which no request is in flight.
func (s *server) close(c *conn) error {
	delete(s.conns, c.fd)
	if err := c.out.Close(); err != nil {
		return err
	}
	return syscall.Close(int(c.fd))
}
