package main

import (
	"encoding/binary"
	"net"
	"runtime"
	"sync"
	"sync/atomic"

	"github.com/uring-go/uring"
	"github.com/uring-go/uring/bench/internal/peer"
	"golang.org/x/sys/unix"
)

// An answer is what a connection's goroutine wants to have sent.
type answer struct {
	conn *conn
	seg  uring.Segment
}

// An outbox takes answers from any goroutine to that of the ring.
type outbox struct {
	mu      sync.Mutex
	answers []answer
	spare   []answer
	waiting atomic.Bool // the ring's goroutine waits, or is about to
	bell    int         // an eventfd that ends its wait
}

func (o *outbox) put(a answer) {
	o.mu.Lock()
	o.answers = append(o.answers, a)
	o.mu.Unlock()
	if o.waiting.CompareAndSwap(true, false) {
		_, err := unix.Write(o.bell, binary.NativeEndian.AppendUint64(nil, 1))
		peer.Must(err)
	}
}

// take returns the answers so far. They are valid until the next take.
func (o *outbox) take() []answer {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.answers, o.spare = o.spare[:0], o.answers
	return o.spare
}

// serveGoroutines hands what was received to a goroutine of each connection,
// which answers. The ring's goroutine is not locked to a thread: handing work
// over would cost much more.
func serveGoroutines(l *net.TCPListener) {
	ring, err := uring.New(uring.Config{Entries: 4096, Flags: uring.SetupSubmitAll | uring.SetupCoopTaskrun})
	peer.Must(err)
	s := open(ring, l)
	var o outbox
	o.bell, err = unix.Eventfd(0, unix.EFD_CLOEXEC)
	peer.Must(err)
	rung := make([]byte, 8)
	s.request(waking, 0).PrepRead(uring.FD(o.bell), rung, 0)
	for {
		o.waiting.Store(true)
		s.send(o.take()) // what came in before waiting was set rang no bell
		_, err := ring.SubmitAndWait(1)
		peer.Must(err)
		o.waiting.Store(false)
		for c := range ring.Completions() {
			s.handle(c, &o, rung)
		}
		runtime.Gosched() // to those who answer
	}
}

func (s *server) handle(c uring.CQE, o *outbox, rung []byte) {
	t := c.Token()
	switch t.Kind() {
	case accepting:
		cn := s.accepted(c)
		cn.in = make(chan uring.Segment, 4)
		go cn.answer(o)
	case receiving:
		s.handOver(s.conns[t.Slot()], c)
	case sending:
		s.sent(s.conns[t.Slot()], c)
	case waking:
		s.request(waking, 0).PrepRead(uring.FD(o.bell), rung, 0)
	}
}

func (cn *conn) answer(o *outbox) {
	for seg := range cn.in {
		o.put(answer{cn, seg})
	}
	o.put(answer{conn: cn})
}

func (s *server) handOver(cn *conn, c uring.CQE) {
	var failed error
	for seg, err := range s.br.Segments(c) {
		if failed = err; err == nil {
			cn.in <- seg
		}
	}
	if s.over(cn, c, failed) {
		cn.ended = false // until its goroutine has answered everything
		close(cn.in)
	}
}

func (s *server) send(answers []answer) {
	for _, a := range answers {
		if a.seg.Bytes == nil {
			a.conn.ended = true
			s.release(a.conn)
			continue
		}
		if err := a.conn.q.Append(a.seg); err != nil {
			peer.Must(a.seg.Release()) // the connection is broken
			continue
		}
		peer.Must(a.conn.q.Flush())
	}
}
