//go:build linux

package main

import (
	"bytes"
	"errors"
	"fmt"
	"syscall"
	"time"

	"github.com/uring-go/uring"
)

// until works until what must happen has happened.
func (r *round) until(what string, happened func() bool, try func()) {
	deadline := time.Now().Add(patience)
	for !happened() {
		if time.Now().After(deadline) {
			r.fail("it hangs: %s", what)
		}
		try()
		_, err := r.ring.SubmitAndWaitTimeout(1, time.Millisecond)
		r.mayBeFull(err)
		r.fetch()
		for _, s := range r.sources {
			r.must(s.peer.failure())
		}
	}
}

// settle lets everything come to its end: all that was sent arrives, and the kernel
// has all buffers.
func (r *round) settle() {
	r.did("settle")
	for _, s := range r.sources {
		s.peer.stop.Store(true)
	}
	start := time.Now()
	r.until("sources that end", func() bool { return r.all(r.arrived) }, func() {
		r.release(min(len(r.held), r.IntN(4)))
		for _, s := range r.sources {
			r.endSource(s, time.Since(start) > 100*time.Millisecond)
			r.flush(s)
			s.emptyErrors()
		}
		r.reopenGroups()
	})
	r.until("sends", func() bool { return r.all(r.delivered) }, func() {
		if r.drains && r.IntN(20) == 0 {
			r.cancelAll() // receives that sends wait for
		}
		r.release(0)
		for _, s := range r.sources {
			r.flush(s)
		}
	})
	r.until("requests that are cancelled", func() bool { return len(r.running) == 0 && len(r.late) == 0 }, func() {
		if len(r.running) > 0 && r.IntN(4) == 0 {
			r.cancelAll()
		}
		r.release(0)
	})
	r.release(0)
	r.handBack()
	r.noneRuns()
}

// cancelAll cancels all requests in one of the two ways. With SetupSQPoll the kernel
// does not find those in worker threads from outside of the queue.
func (r *round) cancelAll() {
	if r.IntN(2) == 0 {
		r.syncCancel(uring.Match{Any: true}, true)
	} else if e, ok := r.entry(); ok {
		e.PrepCancel(0, uring.CancelAny|uring.CancelAll)
		r.begins(e, &request{form: "cancel", once: true})
	}
}

func (r *round) all(is func(*source) bool) bool {
	for _, s := range r.sources {
		if !is(s) {
			return false
		}
	}
	return true
}

// arrived reports whether all that the peer sent has been seen, and its end.
func (r *round) arrived(s *source) bool {
	p := s.peer
	select {
	case <-p.wrote:
	default:
		return false
	}
	if !s.datagrams() {
		return s.over()
	}
	return int64(len(s.got))+s.cut == p.sent.Load() && s.zeros == p.zeros.Load()
}

// endSource receives what is left. Kernels can miss the end of a stream when much
// came before it, and what is behind an urgent byte: then the receive is ended, and
// another sees it.
func (r *round) endSource(s *source, late bool) {
	r.receiveFrom(s)
	select {
	case <-s.peer.wrote:
	default:
		return
	}
	if late && s.requests > 0 && r.IntN(20) == 0 && (r.drains || s.pos == s.peer.sent.Load() || s.peer.lossy() || s.peer.urgent) {
		r.cancelSource(s)
	}
}

// cancelSource ends what receives from a source. A request that is to cancel would wait
// itself in a round that drains, for what was to be cancelled; and any request may be what
// others wait for.
func (r *round) cancelSource(s *source) {
	if r.drains {
		r.syncCancel(uring.Match{Any: true}, true)
		return
	}
	if e, ok := r.entry(); ok {
		e.PrepCancelFD(uring.FD(s.near), uring.CancelAll)
		r.begins(e, &request{form: "cancel", once: true})
	}
}

// delivered reports whether the peer has received all.
func (r *round) delivered(s *source) bool {
	if s.queue == nil {
		return true
	}
	if s.queue.InFlight() || s.queue.Unnotified() > 0 {
		return false
	}
	return s.dead || s.peer.lossy() && s.peer.ended.Load() || s.queue.Queued() == 0 && s.peer.owed() == 0
}

// reopenGroups lets receives start again on buffer rings that were to close.
func (r *round) reopenGroups() {
	for _, g := range r.groups {
		g.closing = false
	}
	if r.groupNumber(takesAll) == nil {
		c := uring.BufRingConfig{Group: takesAll, Entries: 16, BufSize: 4096}
		b, err := r.ring.NewBufRing(c)
		r.must(err)
		r.groups = append(r.groups, &group{BufRing: b, config: c})
	}
}

// takesAll is a buffer ring into which datagrams may be received too.
const takesAll = 5000

// handBack checks that the kernel has all buffers, and takes them.
func (r *round) handBack() {
	for _, s := range r.sources {
		r.until("a queue that closes", func() bool { return r.closeQueue(s) }, func() {})
	}
	_, err := r.ring.Submit()
	r.mayBeFull(err)
	for _, g := range r.groups {
		st := g.Stats()
		if st.Lent != 0 || st.InKernel != g.Entries() {
			r.fail("group %d: the kernel does not have all buffers: %+v", g.Group(), st)
		}
		if uring.HaveBufRingStatus() == nil {
			n, err := g.Available()
			r.must(err)
			if n != g.Entries() {
				r.fail("group %d: the kernel says that it has %d buffers of %d", g.Group(), n, g.Entries())
			}
		}
		if err := g.Close(); err != nil {
			r.fail("close of group %d: %w", g.Group(), err)
		}
	}
	r.groups = nil
	r.seen["rounds that settled"]++
}

// noneRuns asks the kernel whether requests wait for something.
func (r *round) noneRuns() {
	info, err := r.fdinfo()
	r.must(err)
	if i := bytes.Index(info, []byte("PollList:")); i >= 0 && bytes.Contains(info[i:], []byte("op=")) {
		r.fail("requests still wait: %s", info[i:])
	}
}

// closeNow closes the ring whatever it does, writes over the memory that it had, and
// looks whether somebody else writes there afterwards, or takes bytes from a
// connection.
func (r *round) closeNow() {
	r.did("close")
	if r.IntN(2) == 0 {
		r.submit()
	}
	if err := r.close(); err != nil {
		r.fail("close: %w", err)
	}
	for _, h := range r.held {
		r.checkHolding(h)
	}
	var memory [][]byte
	for _, h := range r.held {
		memory = append(memory, h.Bytes)
	}
	for _, q := range r.running {
		memory = append(memory, q.plain)
	}
	for _, m := range memory {
		for i := range m {
			m[i] = 0xA5
		}
	}
	gap := r.nobodyReads(20 * time.Millisecond)
	for _, m := range memory {
		for i, b := range m {
			if b != 0xA5 {
				r.fail("after the close somebody wrote to memory of the ring, %d bytes, from byte %d on: %.32x; %v", len(m), i, m[i:], gap)
			}
		}
	}
	r.must(gap)
	r.seen["rounds that were closed"]++
	r.seen["segments over a close"] += uint64(len(r.held))
}

// close closes the ring, as often as it takes. A ring whose entries lie in the
// kernel's memory may be open for as long as a segment is lent: see what is said of
// duplicates of its descriptor.
func (r *round) close() error {
	err := r.ring.Close()
	for range 3 {
		if !errors.Is(err, uring.ErrBusy) {
			return err
		}
		r.seen["closes that had to be tried again"]++
		err = r.ring.Close()
	}
	if errors.Is(err, uring.ErrBusy) {
		lent := len(r.held)
		for _, h := range r.held {
			_ = h.Release()
		}
		r.held = nil
		if err2 := r.ring.Close(); err2 == nil {
			return fmt.Errorf("close needs %d segments to be released: %w", lent, err)
		}
	}
	return err
}

// nobodyReads receives from all streams by plain calls for a while. What comes must
// lie together: a gap would be what somebody else has received.
func (r *round) nobodyReads(length time.Duration) error {
	buf := make([]byte, 64<<10)
	at := map[*source]int64{}
	start := time.Now()
	for end := start.Add(length); time.Now().Before(end); time.Sleep(time.Millisecond) {
		for _, s := range r.sources {
			if s.datagrams() || s.peer.urgent {
				continue
			}
			if syscall.SetNonblock(s.near, true) != nil {
				continue
			}
			n, err := syscall.Read(s.near, buf)
			if err != nil || n < 16 && at[s] == 0 {
				continue
			}
			p := buf[:n]
			if at[s] == 0 {
				// Completions that nobody handled are gone with the ring.
				at[s] = s.peer.out.find(p[:16], s.pos, s.peer.planned.Load()) + 1
				if at[s] == 0 {
					return fmt.Errorf("source %d, %s: bytes after the close are not to be found in its stream: %.32x", s.id, s.kind, p)
				}
			}
			pos := at[s] - 1
			if i := s.peer.out.wrong(p, pos); i >= 0 {
				return fmt.Errorf("source %d, %s: %v after the close somebody else received at position %d; it goes on at %d",
					s.id, s.kind, time.Since(start), pos+int64(i), s.peer.out.find(p[i:min(n, i+16)], pos, s.peer.planned.Load()))
			}
			at[s] += int64(n)
			s.peer.received.Store(at[s])
		}
	}
	r.seen["sources looked at after a close"] += uint64(len(at))
	return nil
}
