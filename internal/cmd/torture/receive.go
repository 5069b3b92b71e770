//go:build linux

package main

import (
	"syscall"
	"time"

	"github.com/uring-go/uring"
)

// receiveFrom starts a receive, or a read. A stream has one at a time, as nobody could
// tell the order of what several bring.
func (r *round) receiveFrom(s *source) {
	most := 1
	if s.datagrams() {
		most = 3
	}
	if s.over() || s.requests >= most {
		return
	}
	g := r.groups[r.IntN(len(r.groups))]
	if g.closing || s.datagrams() && g.BufSize() < datagramMost+64 && r.IntN(4) > 0 {
		return
	}
	late := r.IntN(12) == 0
	if late {
		r.after()
	}
	e, ok := r.entry()
	if !ok {
		return
	}
	q := &request{source: s, group: g, late: late}
	var err error
	switch {
	case s.kind == "pipe":
		err = r.prepRead(e, q)
	case s.datagrams():
		err = r.prepDatagrams(e, q)
	default:
		err = r.prepReceive(e, q)
	}
	if q.group != nil {
		q.form += groupName(g)
	}
	if err == nil && r.IntN(8) == 0 {
		flag, name := uring.Async, ", async"
		if r.drains && r.IntN(2) == 0 {
			flag, name = uring.Drain, ", drain"
		}
		if err = e.SetFlags(flag); err == nil {
			q.form += name
		}
	}
	if err != nil {
		// It does nothing now, but a chain that breaks before it would show.
		r.seen["refused: "+q.form]++
		e.PrepNop()
		r.begins(e, &request{form: "nop", once: true})
		return
	}
	limited := r.IntN(10) == 0 && e.SetFlags(uring.Link) == nil
	if limited {
		q.form += ", with a timeout"
	}
	r.begins(e, q)
	if limited {
		r.limit()
	}
	r.did("%#x: %s from source %d to group %d", e.UserData, q.form, s.id, g.Group())
}

func groupName(g *group) string {
	switch {
	case !g.config.Incremental:
		return ", classic"
	case g.config.MinLeft > 1:
		return ", incremental with a rest"
	}
	return ", incremental"
}

// limit lets the request before it run for a short time only.
func (r *round) limit() {
	e, err := r.ring.NextSQE()
	r.must(err)
	e.PrepLinkTimeout(time.Duration(r.IntN(2000))*time.Microsecond, 0)
	r.begins(e, &request{form: "link timeout", once: true})
}

// drain puts a request that waits for those before it, and holds back those after it.
func (r *round) drain() {
	e, ok := r.entry()
	if !ok {
		return
	}
	e.PrepNop()
	r.must(e.SetFlags(uring.Drain))
	r.begins(e, &request{form: "nop, drain", once: true})
	r.did("drain")
}

// after puts a request that runs in a worker thread before the next one.
func (r *round) after() {
	e, ok := r.entry()
	if !ok {
		return
	}
	e.PrepFsync(uring.FD(r.file.Fd()), 0)
	r.must(e.SetFlags(uring.Async | uring.Link))
	r.begins(e, &request{form: "fsync", once: true})
}

// length is a limit, or none.
func (r *round) length() int {
	if r.IntN(2) == 0 {
		return 0
	}
	return 1 + r.IntN(1<<r.IntN(17))
}

func (r *round) ioFlags() uring.IOFlags {
	if r.IntN(3) == 0 {
		return uring.Bundle
	}
	return 0
}

func (r *round) prepReceive(e uring.SQE, q *request) error {
	fd, b := uring.FD(q.source.near), q.group.BufRing
	switch r.IntN(10) {
	case 0, 1, 2:
		return r.prepSingle(e, q)
	case 3:
		q.form, q.now = "single bundle", true
		q.once = true
		return e.PrepRecvProvided(fd, b, 0, syscall.MSG_DONTWAIT, uring.Bundle)
	case 4, 5:
		q.form = "multishot"
		flags := r.ioFlags()
		if flags != 0 {
			q.form = "multishot bundle"
		}
		return e.PrepRecvMultishot(fd, b, flags)
	case 6:
		q.form = "multishot with limits"
		flags := r.ioFlags()
		if flags != 0 {
			q.form = "multishot bundle with limits"
		} else if q.n = r.length(); q.n > 0 {
			return e.PrepRecvMultishotLimit(fd, b, q.n, r.length(), 0)
		}
		return e.PrepRecvMultishotLimit(fd, b, 0, r.length(), flags)
	case 7:
		q.plain = make([]byte, 1+r.IntN(5000))
		q.form, q.group, q.once = "plain", nil, true
		e.PrepRecv(fd, q.plain, 0)
		return nil
	}
	return r.prepRead(e, q)
}

func (r *round) prepSingle(e uring.SQE, q *request) error {
	q.form, q.n, q.once = "single", r.length(), true
	if q.n > 0 {
		q.form = "single with a length"
	}
	msg, flags := 0, uring.IOFlags(0)
	switch r.IntN(6) {
	case 0:
		msg, q.now = syscall.MSG_DONTWAIT, true
	case 1:
		flags = uring.PollFirst
		q.pollFirst = true
		q.form += ", poll first"
	case 2:
		if q.n < 3000 && !q.group.config.Incremental {
			msg = syscall.MSG_WAITALL
			q.form += ", all"
		}
	}
	return e.PrepRecvProvided(uring.FD(q.source.near), q.group.BufRing, q.n, msg, flags)
}

func (r *round) prepRead(e uring.SQE, q *request) error {
	fd, b := uring.FD(q.source.near), q.group.BufRing
	if r.IntN(2) == 0 {
		q.form = "multishot read"
		return e.PrepReadMultishot(fd, b)
	}
	q.form, q.n, q.once = "read", r.length(), true
	return e.PrepReadProvided(fd, b, q.n)
}

func (r *round) prepDatagrams(e uring.SQE, q *request) error {
	m := uring.NewMsg()
	m.WantAddr()
	room := q.group.BufSize()
	if q.group.config.Incremental {
		room = q.group.config.MinLeft
	}
	switch r.IntN(4) {
	case 0:
		if room < m.Overhead()+datagramMost {
			break
		}
		q.form, q.msg = "messages", m
		return e.PrepRecvMsgMultishot(uring.FD(q.source.near), q.group.BufRing, q.msg, 0)
	case 1:
		q.form = "datagrams"
		return e.PrepRecvMultishot(uring.FD(q.source.near), q.group.BufRing, 0)
	}
	return r.prepSingle(e, q)
}

// receivedPlain handles the completion of a receive without a buffer ring.
func (r *round) receivedPlain(q *request, c uring.CQE) {
	if c.Res > 0 {
		r.must(q.source.take(q.plain[:c.Res]))
	}
	r.ends(q, c)
}

// received handles a completion with provided buffers.
func (r *round) received(q *request, c uring.CQE) {
	if q.n > 0 && int(c.Res) > q.n {
		r.fail("%s: %d bytes, want at most %d", q.form, c.Res, q.n)
	}
	n := 0
	switch how := r.IntN(8); {
	case how == 0 && !q.source.raw && c.Res > 0:
		n = r.pass(q, c)
	case how < 4:
		err := q.group.Consume(c, func(p []byte) error { n += len(p); r.take(q, p); return nil })
		r.same(q, c, err)
	default:
		n = r.keepAll(q, c)
	}
	if n != max(int(c.Res), 0) {
		r.fail("%s: %d bytes handed out, want %d", q.form, n, c.Res)
	}
	r.seen["bytes"] += uint64(n)
	r.ends(q, c)
}

// same checks the error with which a completion was handed over.
func (r *round) same(q *request, c uring.CQE, err error) {
	if err != c.Err() {
		r.fail("%s: completion %v: %w", q.form, c, err)
	}
}

// keepAll keeps the segments of a completion, or some.
func (r *round) keepAll(q *request, c uring.CQE) (n int) {
	s := q.source
	for seg, err := range q.group.Segments(c) {
		if err != nil {
			r.same(q, c, err)
			continue
		}
		n += len(seg.Bytes)
		h := &holding{Segment: seg, group: q.group, run: run{s.peer.out, s.pos, len(seg.Bytes)}}
		if s.raw {
			h.run, h.literal = run{}, string(seg.Bytes)
		}
		r.take(q, seg.Bytes)
		r.hold(h)
		switch r.IntN(6) {
		case 0:
			r.submit() // in the middle of a completion
		case 1, 2:
			r.releaseOne(r.IntN(len(r.held)))
		}
	}
	return n
}

// take checks what a completion brought.
func (r *round) take(q *request, p []byte) {
	s := q.source
	if !s.datagrams() {
		r.must(s.take(p))
		return
	}
	if q.msg != nil {
		m, err := q.msg.Parse(p)
		r.must(err)
		if len(m.Payload) == 0 && m.PayloadLen == 0 {
			s.zeros++
			return
		}
		p = m.Payload
	}
	r.must(s.takeDatagram(p))
}

// ends handles what a completion says of the end of its source.
func (r *round) ends(q *request, c uring.CQE) {
	s := q.source
	switch err := c.Err(); {
	case c.Res > 0, err == syscall.ECANCELED, err == syscall.EINTR:
	case err == syscall.ENOBUFS && q.plain == nil:
		r.seen["out of buffers"]++
	case err == syscall.EAGAIN && (q.now || s.nonblock || q.late && q.pollFirst):
	case s.datagrams() && err == nil:
		s.zeros++
	case s.kind == "udp" && err == syscall.ECONNREFUSED:
		r.seen["refused datagrams"]++
	case err == nil:
		r.ended(s)
	case err == syscall.ECONNRESET && s.peer.lossy() && s.peer.ended.Load():
		s.broken = true
	default:
		r.fail("%s: source %d, %s, at %d of %d: %w", q.form, s.id, s.kind, s.pos, s.peer.sent.Load(), err)
	}
}

// ended checks that the end of a stream comes when all is there.
func (r *round) ended(s *source) {
	s.eof = true
	p := s.peer
	if !p.ended.Load() {
		r.fail("source %d, %s: the end comes at %d, and its peer has not ended", s.id, s.kind, s.pos)
	}
	<-p.wrote
	// A send queue may have been told of the reset instead.
	if s.pos != p.sent.Load() && !(p.lossy() && s.queue != nil) {
		r.fail("source %d, %s: the end comes at %d, of %d bytes that were sent", s.id, s.kind, s.pos, p.sent.Load())
	}
}
