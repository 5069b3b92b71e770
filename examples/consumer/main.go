// Consumer is an echo server in a module of its own, as a service that depends
// on uring is. See its README for how it is built.
//
//	consumer -listen 127.0.0.1:7777
//	consumer -check
package main

import (
	"bytes"
	"crypto/rand"
	"errors"
	"flag"
	"fmt"
	"io"
	"log"
	"net"
	"os"

	"github.com/uring-go/uring"
)

// notSupported is the exit status where there is no io_uring.
const notSupported = 3

func main() {
	address := flag.String("listen", "127.0.0.1:7777", "address to listen on")
	check := flag.Bool("check", false, "send something through the server, compare it, and end")
	flag.Parse()
	log.SetFlags(0)
	if *check {
		*address = "127.0.0.1:0"
	}
	// A build without cgo, or for another system than Linux, ends here.
	err := uring.Serve(uring.Config{}, func(ring *uring.Ring) error {
		listener, err := net.Listen("tcp", *address)
		if err != nil {
			return err
		}
		log.Println("listening on", listener.Addr())
		if *check {
			go checkEcho(listener.Addr().String())
		}
		return serve(ring, listener.(*net.TCPListener))
	})
	log.Print(err)
	if errors.Is(err, uring.ErrNotSupported) {
		os.Exit(notSupported)
	}
	os.Exit(1)
}

// The kinds of requests. The slot of a token is the connection's descriptor.
const (
	accepting = iota + 1
	receiving
	sending
	closing
)

// A conn has one request at a time, which uses all of buf or a part of it.
type conn struct {
	buf     []byte
	pending []byte // what is left to send
}

// serve echoes for ever. It keeps what requests use reachable: connections in
// the map, and the listener.
func serve(ring *uring.Ring, listener *net.TCPListener) error {
	file, err := listener.File()
	if err != nil {
		return err
	}
	defer file.Close()
	conns := map[uint32]*conn{}
	request := func(kind uint8, fd uint32, prep func(uring.SQE)) error {
		if err := ring.MakeRoom(1); err != nil {
			return err
		}
		sqe, err := ring.NextSQE()
		if err != nil {
			return err
		}
		prep(sqe)
		sqe.UserData = uint64(uring.MakeToken(kind, 0, fd))
		return nil
	}
	accept := func() error {
		return request(accepting, 0, func(s uring.SQE) { s.PrepAcceptMultishot(uring.FD(file.Fd()), 0) })
	}
	// next asks for what comes next on a connection: to send the rest, or to
	// receive.
	next := func(fd uint32, c *conn) error {
		if len(c.pending) > 0 {
			return request(sending, fd, func(s uring.SQE) { s.PrepSend(uring.FD(fd), c.pending, 0) })
		}
		return request(receiving, fd, func(s uring.SQE) { s.PrepRecv(uring.FD(fd), c.buf, 0) })
	}
	handle := func(cqe uring.CQE) error {
		fd := cqe.Token().Slot()
		c := conns[fd]
		switch kind := cqe.Token().Kind(); {
		case kind == closing:
			return nil
		case kind == accepting:
			if err := cqe.Err(); err != nil {
				return fmt.Errorf("accept: %w", err)
			}
			fd, c = uint32(cqe.Res), &conn{buf: make([]byte, 64<<10)}
			conns[fd] = c
			if !cqe.More() {
				if err := accept(); err != nil {
					return err
				}
			}
		case cqe.Res <= 0: // the end, or an error
			delete(conns, fd)
			return request(closing, fd, func(s uring.SQE) { s.PrepClose(int(fd)) })
		case kind == receiving:
			c.pending = c.buf[:cqe.Res]
		case kind == sending:
			c.pending = c.pending[cqe.Res:]
		}
		return next(fd, c)
	}

	if err := accept(); err != nil {
		return err
	}
	for {
		if _, err := ring.SubmitAndWait(1); err != nil {
			return err
		}
		for cqe := range ring.Completions() {
			if err := handle(cqe); err != nil {
				return err
			}
		}
	}
}

// checkEcho ends the program: with status 0 if what it sends comes back.
func checkEcho(address string) {
	want := make([]byte, 1<<20)
	_, _ = rand.Read(want)
	got, err := echoed(address, want)
	if err != nil {
		log.Fatal("check: ", err)
	}
	if !bytes.Equal(got, want) {
		log.Fatalf("check: other bytes came back than were sent, %d of %d", len(got), len(want))
	}
	log.Printf("%d bytes came back as they were sent", len(got))
	os.Exit(0)
}

// echoed returns what comes back for p.
func echoed(address string, p []byte) ([]byte, error) {
	c, err := net.Dial("tcp", address)
	if err != nil {
		return nil, err
	}
	defer c.Close()
	sent := make(chan error, 1)
	go func() {
		_, err := c.Write(p)
		sent <- errors.Join(err, c.(*net.TCPConn).CloseWrite())
	}()
	got, err := io.ReadAll(c)
	return got, errors.Join(err, <-sent)
}
