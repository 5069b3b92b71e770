// Broadcast is a server that sends what any client sends to all others. Nothing
// is copied: the bytes wait in the send queues of all clients where they were
// received, and one request sends a client all that waits for it, as a bundle.
//
//	go run ./examples/broadcast -listen 127.0.0.1:7777
package main

import (
	"context"
	"errors"
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

// The kinds of requests. The slot of a token is the client's descriptor.
const (
	accepting = iota + 1
	receiving
	sending
	pausing
)

// The buffers hold what the slowest client has still to get. A client that is
// further behind than maxBehind is disconnected, so that it does not hold up
// the others: it never misses something in the middle.
const (
	entries   = 128
	bufSize   = 64 << 10
	maxBehind = entries * bufSize / 4
)

// A server is the state of serve.
type server struct {
	ring     *uring.Ring
	listener uring.FD
	buffers  *uring.BufRing
	clients  map[uint32]*client // by descriptor
}

// A client is a connection that is open.
type client struct {
	fd        uint32
	out       *uring.SendQueue
	receiving bool // a request is in flight
	ended     bool // it left, or was disconnected
}

// serve forwards until ctx is done, and then closes all connections.
func serve(ctx context.Context, listener *net.TCPListener) (err error) {
	file, err := listener.File()
	if err != nil {
		return err
	}
	defer file.Close()
	ring, err := uring.New(uring.Config{CQEntries: 4096})
	if err != nil {
		return err
	}
	s := server{ring: ring, listener: uring.FD(file.Fd()), clients: map[uint32]*client{}}
	defer func() {
		err = errors.Join(err, ring.Close()) // which ends all requests
		for fd := range s.clients {
			err = errors.Join(err, syscall.Close(int(fd)))
		}
	}()
	// Before Linux 6.17 a peer could get its receive into a worker thread, which an
	// incremental ring does not bear: see SQE.PrepRecvProvided.
	incremental := uring.HaveRecvMultishotLimit() == nil
	s.buffers, err = ring.NewBufRing(uring.BufRingConfig{
		Group: 1, Entries: entries, BufSize: bufSize, Incremental: incremental,
	})
	if err != nil {
		return err
	}
	return s.run(ctx)
}

func (s *server) run(ctx context.Context) error {
	if err := s.accept(); err != nil {
		return err
	}
	for {
		_, err := s.ring.Await(ctx, 1)
		if ended := ctx.Err(); ended != nil && errors.Is(err, ended) {
			return nil
		}
		if err != nil {
			return err
		}
		for cqe := range s.ring.Completions() {
			if err := s.handle(cqe); err != nil {
				return err
			}
		}
		for _, c := range s.clients {
			if err := s.advance(c); err != nil {
				return err
			}
		}
	}
}

func (s *server) handle(cqe uring.CQE) error {
	c := s.clients[cqe.Token().Slot()]
	switch cqe.Token().Kind() {
	case accepting:
		return s.accepted(cqe)
	case receiving:
		return s.received(c, cqe)
	case sending:
		return s.sent(c, cqe)
	case pausing:
		return s.accept()
	}
	return fmt.Errorf("completion of an unknown request: %v", cqe)
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

// open adds a client. It gets what is received from now on.
func (s *server) open(fd uint32) error {
	c := &client{fd: fd}
	s.clients[fd] = c
	var err error
	c.out, err = s.ring.NewSendQueue(uring.FD(fd), uring.SendQueueConfig{
		Token: uring.MakeToken(sending, 0, fd), // bundles, where the kernel has them
	})
	return err
}

// received queues what came for all other clients.
func (s *server) received(c *client, cqe uring.CQE) error {
	c.receiving = false
	for segment, err := range s.buffers.Segments(cqe) {
		switch {
		case err == syscall.ENOBUFS:
			return nil // advance goes on when there are buffers again
		case err != nil && cqe.Err() != nil: // a reset
			s.disconnect(c)
			return nil
		case err != nil:
			return err
		}
		if err := s.share(c, segment); err != nil {
			return err
		}
	}
	if cqe.Res == 0 {
		s.disconnect(c)
	}
	return nil
}

// share gives each of the others a hold on the segment.
func (s *server) share(from *client, segment uring.Segment) error {
	for _, c := range s.clients {
		if c == from || c.ended {
			continue
		}
		if c.out.Queued()+len(segment.Bytes) > maxBehind {
			log.Printf("client %d is too far behind", c.fd)
			s.disconnect(c)
			continue
		}
		shared, err := segment.Share()
		if err != nil {
			return err
		}
		if err := c.out.Append(shared); err != nil {
			return err
		}
	}
	return segment.Release()
}

func (s *server) sent(c *client, cqe uring.CQE) error {
	_, err := c.out.Complete(cqe)
	switch {
	case c.out.Err() != nil: // it has left
		s.disconnect(c)
	case cqe.Err() == nil:
		return err
	}
	return nil // what was not sent still waits
}

// disconnect makes the requests of a client end; advance does the rest.
func (s *server) disconnect(c *client) {
	c.ended = true
	_ = syscall.Shutdown(int(c.fd), syscall.SHUT_RDWR)
}

// advance does what is to be done next for a client.
func (s *server) advance(c *client) error {
	switch {
	case c.ended && !c.receiving && !c.out.InFlight():
		delete(s.clients, c.fd)
		return errors.Join(c.out.Close(), syscall.Close(int(c.fd)))
	case c.ended:
		return nil
	case !c.receiving && s.buffers.Stats().InKernel > 0:
		sqe, err := s.ring.Request(uring.MakeToken(receiving, 0, c.fd))
		if err != nil {
			return err
		}
		c.receiving = true
		// Not multishot, which can miss a reset: see SQE.PrepRecvMultishot.
		if err := sqe.PrepRecvProvided(uring.FD(c.fd), s.buffers, 0, 0, 0); err != nil {
			return err
		}
	}
	return c.out.Flush()
}
