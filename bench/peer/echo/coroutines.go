package main

import (
	"iter"
	"net"

	"github.com/uring-go/uring"
	"github.com/uring-go/uring/bench/internal/peer"
)

// serveCoroutines runs a function for each connection that reads as if it
// waited for what the connection receives. It is a coroutine of the ring's
// goroutine: to wait is to switch to that one, on the same thread and without
// Go's scheduler. It must not wait for anything else.
func serveCoroutines(l *net.TCPListener) {
	peer.Must(uring.Serve(uring.Config{Entries: 4096}, func(ring *uring.Ring) error {
		s := open(ring, l)
		for {
			if _, err := ring.SubmitAndWait(1); err != nil {
				return err
			}
			for c := range ring.Completions() {
				t := c.Token()
				switch t.Kind() {
				case accepting:
					s.accepted(c).start(s)
				case receiving:
					s.conns[t.Slot()].resume(c)
				case sending:
					s.sent(s.conns[t.Slot()], c)
				}
			}
		}
	}))
}

// start runs the connection's coroutine until it waits for the first time.
func (cn *conn) start(s *server) {
	cn.next, _ = iter.Pull(func(yield func(struct{}) bool) {
		s.echo(cn, func() uring.CQE {
			yield(struct{}{})
			return cn.completion
		})
	})
	cn.next()
}

// resume hands a completion to the connection's coroutine, which runs until it
// waits for the next, or ends.
func (cn *conn) resume(c uring.CQE) {
	cn.completion = c
	cn.next()
}

// echo answers a connection until its end.
func (s *server) echo(cn *conn, receive func() uring.CQE) {
	for {
		c := receive()
		_, err := cn.q.AppendCompletion(s.br, c)
		if s.over(cn, c, err) {
			s.release(cn)
			return
		}
		if cn.q.Queued() > 0 {
			peer.Must(cn.q.Flush())
		}
	}
}
