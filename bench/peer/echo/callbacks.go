package main

import (
	"net"

	"github.com/uring-go/uring"
	"github.com/uring-go/uring/bench/internal/peer"
)

// serveCallbacks answers in the goroutine of the ring, which is locked to its
// thread: what was received is sent from where it lies.
func serveCallbacks(l *net.TCPListener) {
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
					s.accepted(c)
				case receiving:
					s.received(s.conns[t.Slot()], c)
				case sending:
					s.sent(s.conns[t.Slot()], c)
				}
			}
		}
	}))
}

func (s *server) received(cn *conn, c uring.CQE) {
	_, err := cn.q.AppendCompletion(s.br, c)
	if s.over(cn, c, err) {
		s.release(cn)
		return
	}
	if cn.q.Queued() > 0 {
		peer.Must(cn.q.Flush())
	}
}
