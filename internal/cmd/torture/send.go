//go:build linux

package main

import (
	"errors"
	"syscall"

	"github.com/uring-go/uring"
)

var sendModes = []uring.SendMode{
	uring.SendAuto, uring.SendBundle, uring.SendVectored, uring.SendProvided, uring.SendPlain, uring.SendZC, uring.SendZCGather,
}

func (r *round) openQueue(s *source) {
	mode := sendModes[r.IntN(len(sendModes))]
	if (mode == uring.SendZC || mode == uring.SendZCGather) && s.kind != "tcp" {
		mode = uring.SendAuto
	}
	q, err := r.ring.NewSendQueue(uring.FD(s.near), uring.SendQueueConfig{
		Mode: mode, Token: uring.MakeToken(kindQueue, 0, s.id), ZCAlways: r.IntN(2) == 0,
		Entries: 1 << r.IntN(8), Memory: 1 + r.IntN(1<<r.IntN(18)), ZCMin: r.IntN(2) * r.IntN(2000),
	})
	if errors.Is(err, uring.ErrNotSupported) {
		return
	}
	r.must(err)
	s.queue = q
}

// closeQueue reports whether a source has no queue any more.
func (r *round) closeQueue(s *source) bool {
	if s.queue == nil {
		return true
	}
	err := s.queue.Close()
	if errors.Is(err, uring.ErrBusy) {
		return false
	}
	r.must(err)
	s.queue, s.dead = nil, true
	return true
}

func (r *round) sourceNumber(id uint32) *source {
	for _, s := range r.sources {
		if s.id == id {
			return s
		}
	}
	return nil
}

// broke reports whether err says that a queue's peer is gone.
func (r *round) broke(s *source, err error) bool {
	if err == nil {
		return false
	}
	if s.dead {
		return true
	}
	if (errors.Is(err, syscall.EPIPE) || errors.Is(err, syscall.ECONNRESET)) && s.peer.lossy() && s.peer.ended.Load() {
		s.dead = true
		r.seen["broken send queues"]++
		return true
	}
	return false
}

// sent handles the completion of a queue's request.
func (r *round) sent(c uring.CQE) {
	s := r.sourceNumber(c.Token().Slot())
	if s == nil || s.queue == nil || !s.queue.Owns(c) {
		r.fail("completion of a send that does not run: %v", c)
	}
	r.count("send, " + s.queue.Mode().String())
	n, err := s.queue.Complete(c)
	r.seen["bytes sent"] += uint64(n)
	switch {
	case err == nil, r.broke(s, err):
	case errors.Is(err, syscall.ECANCELED), errors.Is(err, syscall.EINTR), errors.Is(err, syscall.EAGAIN), errors.Is(err, syscall.ENOBUFS):
	default:
		r.fail("send to source %d: %w", s.id, err)
	}
	if r.IntN(3) > 0 {
		r.flush(s)
	}
}

func (r *round) flush(s *source) {
	if s.queue == nil || s.dead {
		return
	}
	err := s.queue.Flush()
	if err != nil && !errors.Is(err, syscall.EBUSY) && !errors.Is(err, uring.ErrSQFull) && !r.broke(s, err) {
		r.fail("flush to source %d: %w", s.id, err)
	}
}

// write queues bytes of the source's own stream.
func (r *round) write(s *source) {
	if s.queue == nil || s.dead || s.peer.ended.Load() && s.peer.lossy() {
		return
	}
	p := make([]byte, r.IntN(1<<r.IntN(16)))
	s.own.fill(p, s.wrote)
	most := min(len(p), s.queue.Space())
	s.peer.expect(run{s.own, s.wrote, most})
	n, err := s.queue.Write(p[:most])
	if r.broke(s, err) {
		return
	}
	if err != nil || n != most {
		r.fail("write of %d bytes: %d, %w", most, n, err)
	}
	s.wrote += int64(n)
}

// pass sends what a completion brought on, without looking at it.
func (r *round) pass(q *request, c uring.CQE) int {
	from, to := q.source, r.sources[r.IntN(len(r.sources))]
	if to.queue == nil || to.dead || to.queue.Queued() > 1<<20 {
		return r.keepAll(q, c)
	}
	to.peer.expect(run{from.peer.out, from.pos, int(c.Res)})
	n, err := to.queue.AppendCompletion(q.group.BufRing, c)
	from.pos += int64(c.Res)
	from.peer.received.Store(from.pos)
	if r.broke(to, err) {
		return int(c.Res)
	}
	r.must(err)
	r.seen["completions sent on"]++
	return n
}

// sendHeld sends a segment that was kept.
func (r *round) sendHeld(to *source) {
	if to.queue == nil || to.dead || len(r.held) == 0 || to.queue.Queued() > 1<<20 {
		return
	}
	i := r.IntN(len(r.held))
	h := r.held[i]
	if h.run.n == 0 || *h.shares < 0 {
		return
	}
	r.checkHolding(h)
	to.peer.expect(h.run)
	if err := to.queue.Append(h.Segment); r.broke(to, err) {
		return
	} else if err != nil {
		r.fail("append to source %d: %w", to.id, err)
	}
	*h.shares += 1 << 20 // nobody may write over it any more
	r.drop(i)
	r.seen["segments sent on"]++
}
