// UDP is a server that sends every datagram back to where it came from. One
// request receives all of them, each into a buffer of its own, from where it
// is sent without a copy.
//
//	go run ./examples/udp -listen 127.0.0.1:7777
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

	"github.com/uring-go/uring"
)

func main() {
	address := flag.String("listen", "127.0.0.1:7777", "address to listen on")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	conn, err := net.ListenPacket("udp", *address)
	if err != nil {
		log.Fatal(err)
	}
	log.Println("listening on", conn.LocalAddr())
	if err := serve(ctx, conn.(*net.UDPConn)); err != nil {
		log.Fatal(err)
	}
}

const (
	maxPayload = 2048 // of a datagram; longer ones are refused
	buffers    = 256
)

// The kinds of requests.
const (
	receiving = iota + 1
	sending
	cancelling
)

// A server is the state of serve.
type server struct {
	ring     *uring.Ring
	socket   uring.FD
	buffers  *uring.BufRing
	room     *uring.Msg // says what of a message to receive
	stopping bool
	receives *uring.InFlight[*uring.Msg]    // one at most
	replies  *uring.InFlight[uring.Segment] // what is sent from
}

// serve answers until ctx is done.
func serve(ctx context.Context, conn *net.UDPConn) (err error) {
	file, err := conn.File()
	if err != nil {
		return err
	}
	defer file.Close()
	ring, err := uring.New(uring.Config{CQEntries: 2 * buffers})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, ring.Close()) }()

	s := server{ring: ring, socket: uring.FD(file.Fd()), room: uring.NewMsg()}
	s.receives = uring.NewInFlight[*uring.Msg](ring, receiving)
	s.replies = uring.NewInFlight[uring.Segment](ring, sending)
	s.room.WantAddr()
	s.buffers, err = ring.NewBufRing(uring.BufRingConfig{
		Group: 1, Entries: buffers, BufSize: s.room.Overhead() + maxPayload,
	})
	if err != nil {
		return err
	}
	for {
		if err := s.receive(); err != nil {
			return err
		}
		if s.receives.Len() == 0 && s.replies.Len() == 0 {
			return nil // stopped, and everything is answered
		}
		_, err := ring.Await(ctx, 1)
		if ended := ctx.Err(); ended != nil && errors.Is(err, ended) {
			ctx, err = context.Background(), s.stop()
		}
		if err != nil {
			return err
		}
		for cqe := range ring.Completions() {
			if err := s.handle(cqe); err != nil {
				return err
			}
		}
	}
}

func (s *server) handle(cqe uring.CQE) error {
	switch cqe.Token().Kind() {
	case receiving:
		return s.received(cqe)
	case sending:
		return s.sent(cqe)
	}
	return nil // the cancellation: the receive's completion tells more
}

// stop ends the request that receives.
func (s *server) stop() error {
	s.stopping = true
	for token := range s.receives.All() {
		sqe, err := s.ring.Request(uring.MakeToken(cancelling, 0, 0))
		if err != nil {
			return err
		}
		sqe.PrepCancel(uint64(token), 0)
	}
	return nil
}

// receive arms the request that receives, when it is over and there are buffers
// again. Meanwhile datagrams wait in the socket.
func (s *server) receive() error {
	if s.receives.Len() > 0 || s.stopping || s.buffers.Stats().InKernel == 0 {
		return nil
	}
	sqe, err := s.receives.Request(s.room)
	if err != nil {
		return err
	}
	return sqe.PrepRecvMsgMultishot(s.socket, s.buffers, s.room, 0)
}

// received answers one datagram. It keeps the buffer until it is sent.
func (s *server) received(cqe uring.CQE) error {
	s.receives.Complete(cqe)
	for segment, err := range s.buffers.Segments(cqe) {
		switch err {
		case nil:
		case syscall.ENOBUFS, syscall.ECANCELED:
			return nil // receive goes on when there are buffers again
		default:
			return err
		}
		if err := s.reply(segment); err != nil {
			return err
		}
	}
	return nil
}

func (s *server) reply(segment uring.Segment) error {
	msg, err := s.room.Parse(segment.Bytes)
	if err != nil {
		return err
	}
	if msg.Flags&syscall.MSG_TRUNC != 0 {
		log.Printf("a datagram is longer than %d bytes", maxPayload)
		return segment.Release()
	}
	sqe, err := s.replies.Request(segment)
	if err != nil {
		return err
	}
	sqe.PrepSendTo(s.socket, msg.Payload, 0, msg.Addr())
	return nil
}

// sent gives the buffer of an answer back.
func (s *server) sent(cqe uring.CQE) error {
	if err := cqe.Err(); err != nil {
		log.Printf("send: %v", err) // one peer's trouble, not the server's
	}
	segment, ok := s.replies.Complete(cqe)
	if !ok {
		return fmt.Errorf("completion of an unknown send: %v", cqe)
	}
	return segment.Release()
}
