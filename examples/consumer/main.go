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

// The kinds of requests.
const (
	accepting = iota + 1
	echoing
	closing
)

// A conn has one request at a time, which uses all of buf or a part of it.
type conn struct {
	fd      int
	buf     []byte
	pending []byte // what is left to send
}

// serve echoes for ever. The table conns holds the memory that requests use, and
// the ring holds the table.
func serve(ring *uring.Ring, listener *net.TCPListener) error {
	file, err := listener.File()
	if err != nil {
		return err
	}
	defer file.Close()
	conns := uring.NewInFlight[*conn](ring, echoing)
	accept := func() error {
		sqe, err := ring.Request(uring.MakeToken(accepting, 0, 0))
		if err == nil {
			sqe.PrepAcceptMultishot(uring.FD(file.Fd()), uring.CloseOnExec)
		}
		return err
	}
	// next asks for what comes next on a connection: to send the rest, or to
	// receive.
	next := func(c *conn) error {
		sqe, err := conns.Request(c)
		switch {
		case err != nil:
			return err
		case len(c.pending) > 0:
			sqe.PrepSend(uring.FD(c.fd), c.pending, 0)
		default:
			sqe.PrepRecv(uring.FD(c.fd), c.buf, 0)
		}
		return nil
	}
	echoed := func(cqe uring.CQE) error {
		c, ok := conns.Complete(cqe)
		switch {
		case !ok:
			return fmt.Errorf("completion of an unknown request: %v", cqe)
		case cqe.Res <= 0: // the end, or an error
			sqe, err := ring.Request(uring.MakeToken(closing, 0, 0))
			if err == nil {
				sqe.PrepClose(c.fd)
			}
			return err
		case len(c.pending) > 0:
			c.pending = c.pending[cqe.Res:]
		default:
			c.pending = c.buf[:cqe.Res]
		}
		return next(c)
	}
	handle := func(cqe uring.CQE) error {
		switch cqe.Token().Kind() {
		case echoing:
			return echoed(cqe)
		case closing:
			return nil
		}
		if err := cqe.Err(); err != nil {
			return fmt.Errorf("accept: %w", err)
		}
		if !cqe.More() {
			if err := accept(); err != nil {
				return err
			}
		}
		return next(&conn{fd: int(cqe.Res), buf: make([]byte, 64<<10)})
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
