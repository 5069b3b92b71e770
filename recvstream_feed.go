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
func (b *BufRing) feed() error {
	left := len(b.bufs) - b.out
	if left == 0 {
		return nil // some will come back
	}
	if b.dry {
		// The kernel had none although by the account there are: a request in a
		// worker thread may keep it, or they came a moment later. Nobody tells.
		return b.wake(feedPause)
	}
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

// feedPause is how long to wait for buffers of which nobody tells.
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
