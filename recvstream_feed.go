package uring

import "time"

// starve lets the stream wait until there are buffers, or an entry to ask with.
func (s *RecvStream) starve() {
	if s.starving {
		return
	}
	s.starving = true
	s.stats.Starved++
	s.br.starved.push(s)
	s.ring.starving++
}

// feedStreams goes on with streams that wait for buffers. It may submit.
func (r *Ring) feedStreams() error {
	if r.feeding || links(r.q.Last()) {
		return nil
	}
	r.feeding = true
	defer func() { r.feeding = false }()
	for _, b := range r.bufRings {
		if b.starved.n > 0 {
			if err := b.feed(); err != nil {
				return err
			}
		}
	}
	return nil
}

// feed goes on with as many streams as there are buffers, those first that wait
// longest. If buffers are left the others get their turn after those: some may have
// nothing to receive.
//
// While bytes come it waits until a quarter of the buffers is back, but not for long:
// who receives into each buffer as it comes back sends it by itself again, and so gets
// the next one back by itself.
func (b *BufRing) feed() error {
	left := len(b.bufs) - b.out
	switch {
	case left == 0:
		return nil // some will come back
	case b.dry:
		// The kernel had none although by the account there are: a request in a
		// worker thread may keep it, or they came a moment later. Nobody tells.
		return b.wake(feedPause)
	case left < len(b.bufs)/4 && b.stats.Bytes != b.fed && !b.waited:
		return b.wake(feedPause)
	}
	b.fed, b.waited = b.stats.Bytes, false
	for range b.starved.n {
		if left == 0 {
			break
		}
		s := b.starved.pop()
		s.starving = false
		b.ring.starving--
		if s.closed {
			continue
		}
		if err := s.receive(); err != nil {
			return err
		}
		if s.armed {
			left--
		}
	}
	if b.starved.n > 0 && b.out < len(b.bufs) {
		return b.wake(0)
	}
	return nil
}

// feedPause is how long to wait for buffers of which nobody tells, and for a quarter
// of all.
const feedPause = time.Millisecond

// wake makes the loop turn once more, at once or after a while: the stream that
// waits longest gets a completion.
func (b *BufRing) wake(after time.Duration) error {
	if b.waking {
		return nil
	}
	s := *b.starved.at(0)
	e, err := b.ring.Request(s.is(streamWake))
	if err != nil {
		return err
	}
	if after > 0 {
		e.PrepTimeout(after, 0, 0)
	} else {
		e.PrepNop()
	}
	s.pending++
	b.waking = true
	return nil
}

// woken is told that what wake queued is over, and whether it was a pause.
func (b *BufRing) woken(paused bool) {
	b.dry, b.waking = false, false
	b.waited = paused && b.starved.n > 0 && b.out < len(b.bufs)
}
