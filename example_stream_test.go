//go:build linux

package uring_test

import (
	"fmt"
	"io"
	"net"

	"github.com/uring-go/uring"
)

// A server accepts a connection, and sends back what it receives until the client has
// sent everything.
func ExampleRecvStream() {
	must := func(err error) {
		if err != nil {
			panic(err)
		}
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	must(err)
	defer listener.Close()
	go func() {
		c, err := net.Dial("tcp", listener.Addr().String())
		must(err)
		fmt.Fprint(c, "hello")
		must(c.(*net.TCPConn).CloseWrite())
		_, _ = io.Copy(io.Discard, c)
	}()

	ring, err := uring.New(uring.Config{})
	must(err)
	defer ring.Close()
	buffers, err := ring.NewBufRing(uring.BufRingConfig{Entries: 16, BufSize: 4096, Spare: 4})
	must(err)
	fd, err := uring.FDOf(listener.(*net.TCPListener))
	must(err)
	acceptor, err := ring.NewAcceptor(fd, uring.AcceptorConfig{Token: uring.MakeToken(1, 0, 0)})
	must(err)

	var conn uring.FD
	for accepted := false; !accepted; {
		c, err := ring.Wait()
		must(err)
		conn, accepted, err = acceptor.Complete(c)
		must(err)
	}
	out, err := ring.NewSendQueue(conn, uring.SendQueueConfig{})
	must(err)
	in, err := ring.NewRecvStream(conn, buffers, uring.RecvStreamConfig{To: out})
	must(err)
	for in.Err() == nil || in.InFlight() || out.Queued() > 0 {
		c, err := ring.Wait()
		must(err)
		switch {
		case in.Owns(c):
			_, err = in.Complete(c)
		case out.Owns(c):
			_, err = out.Complete(c)
		}
		must(err)
		must(out.Flush())
	}
	fmt.Println("the client's end:", in.Err() == io.EOF)

	must(in.Close())
	must(out.Close())
	back, err := uring.NetConn(conn) // the rest is package net's
	must(err)
	must(back.Close())
	// Output:
	// the client's end: true
}
