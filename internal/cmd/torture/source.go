//go:build linux

package main

import (
	"fmt"
	"math/rand/v2"
	"syscall"

	"github.com/uring-go/uring"
)

// A source is a connection that the ring receives from.
type source struct {
	id       uint32
	kind     string
	near     int
	nonblock bool
	peer     *peer
	requests int // receives that run

	pos     int64            // what was received, of a stream
	got     map[uint32]bool  // datagrams
	zeros   int64            // empty datagrams
	cut     int64            // datagrams of which too little came to tell which
	eof     bool             // the end was seen
	broken  bool             // an error ended it
	raw     bool             // bytes cannot be told from urgent ones: do not send them on
	own     stream           // what the program sends
	wrote   int64            // of it
	queue   *uring.SendQueue // or nil
	dead    bool             // the queue has an error
	stamped bool             // sends leave timestamps in the queue of errors
}

func (s *source) datagrams() bool { return s.peer.dgram }
func (s *source) stream() bool    { return s.kind == "tcp" || s.kind == "unix" }
func (s *source) over() bool      { return s.eof || s.broken }

func (r *round) openSource() {
	l, err := connect(linkKinds[r.IntN(len(linkKinds))])
	r.must(err)
	r.slots++
	s := &source{id: r.slots, kind: l.kind, near: l.near, got: map[uint32]bool{}}
	key := mix(r.seed ^ mix(r.number^mix(uint64(s.id))))
	s.own = stream(mix(key))
	s.peer = &peer{
		farEnd: l.far, rng: rand.New(rand.NewPCG(key, 1)), out: stream(key), urgents: map[int64]int{},
		ending: ending(r.IntN(int(endings))), after: int64(r.IntN(1 << r.IntN(22))), window: 1 << (8 + r.IntN(10)),
	}
	p := s.peer
	if r.IntN(2) == 0 {
		p.ending = stays
	}
	p.dgram = s.kind == "udp" || s.kind == "unix datagrams"
	if p.dgram {
		p.ending, p.window = stays, 8
	}
	p.urgent = s.kind == "tcp" && r.IntN(3) == 0
	s.raw = p.urgent || !s.stream()
	if r.IntN(8) == 0 {
		s.nonblock = true
		r.must(syscall.SetNonblock(s.near, true))
	}
	if s.kind == "tcp" && r.IntN(3) == 0 {
		s.stamped = true
		const txSoftware, software, only = 1 << 1, 1 << 4, 1 << 11
		r.must(syscall.SetsockoptInt(s.near, syscall.SOL_SOCKET, syscall.SO_TIMESTAMPING, txSoftware|software|only))
	}
	r.sources = append(r.sources, s)
	if s.stream() && r.IntN(4) > 0 {
		r.openQueue(s)
	}
	p.start(s.stream())
	r.seen["connections: "+s.kind]++
	r.did("source %d: %s, ending %d after %d, window %d, urgent %v, nonblock %v", s.id, s.kind, p.ending, p.after, p.window, p.urgent, s.nonblock)
}

// reopen opens a connection in the place of one that is over.
func (r *round) reopen(s *source) {
	if !s.over() || s.requests > 0 || !r.closeQueue(s) {
		return
	}
	r.closeSource(s)
	for i := range r.sources {
		if r.sources[i] == s {
			r.sources = append(r.sources[:i], r.sources[i+1:]...)
			break
		}
	}
	r.openSource()
}

func (r *round) closeSource(s *source) {
	s.peer.cut.Store(true)
	r.must(syscall.Close(s.near))
	s.peer.hangUp()
	r.must(s.peer.failure())
}

// emptyErrors takes all that is in the queue of errors.
func (s *source) emptyErrors() {
	var data, control [256]byte
	for s.stamped || s.kind == "udp" { // others would give bytes
		if _, _, _, _, err := syscall.Recvmsg(s.near, data[:], control[:], syscall.MSG_ERRQUEUE|syscall.MSG_DONTWAIT); err != nil {
			return
		}
	}
}

// take checks bytes that came from the stream.
func (s *source) take(p []byte) error {
	for len(p) > 0 {
		i := s.peer.out.wrong(p, s.pos)
		if i < 0 {
			s.pos += int64(len(p))
			break
		}
		s.pos += int64(i)
		p = p[i:]
		if !s.peer.tookUrgent(s.pos, p[0]) {
			return fmt.Errorf("source %d, %s: wrong bytes at position %d of %d: %.32x, want %#x; they are at %d",
				s.id, s.kind, s.pos, s.peer.sent.Load(), p, s.peer.out.at(s.pos), s.peer.out.find(p[:min(len(p), 8)], s.pos-1<<20, s.pos+1<<20))
		}
		p = p[1:]
	}
	if s.pos > s.peer.planned.Load() {
		return fmt.Errorf("source %d, %s: %d bytes received, %d sent", s.id, s.kind, s.pos, s.peer.planned.Load())
	}
	s.peer.received.Store(s.pos)
	return nil
}

// takeDatagram checks a datagram, of which room may have cut the end.
func (s *source) takeDatagram(p []byte) error {
	defer func() { s.peer.received.Store(int64(len(s.got)) + s.cut) }()
	if s.kind == "udp" && string(p) == "?" {
		return nil
	}
	if len(p) < datagramHeader {
		s.cut++
		return nil
	}
	number, _, err := s.peer.out.checkDatagram(p)
	if err != nil {
		return fmt.Errorf("source %d, %s: %w", s.id, s.kind, err)
	}
	if s.got[number] || int64(number) >= s.peer.planned.Load() {
		return fmt.Errorf("source %d, %s: datagram %d came before %v, %d were sent", s.id, s.kind, number, s.got[number], s.peer.planned.Load())
	}
	s.got[number] = true
	return nil
}
