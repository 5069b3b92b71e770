package core

import (
	"time"

	"github.com/uring-go/uring/internal/sharing"
)

// Go's scheduler need not be told of a submit that is short, and that saves a
// fifth of the processor time of many reads: of each call it is told of the
// monitor wakes, looks every 20 µs, and takes the processor away from a call
// that takes longer, which must then find another. But a call it is not told of
// keeps its processor, so that nothing else runs there and garbage collection
// waits. So all requests must be Short, and move little; so few must be in the
// kernel that no device runs out of tags, for which the call would sleep; and
// calls must have been short of late.
const (
	mostUntold      = 64
	mostUntoldBytes = 256 << 10
	longSubmit      = time.Millisecond
)

// A trust says whether submits are short, from how long they took.
type trust struct {
	told int // calls to come that the scheduler is told of
	last int // what told was set to by the last long call
}

func (t *trust) took(d time.Duration) {
	if d < longSubmit {
		t.last = 0
		return
	}
	t.last = min(2*t.last+1, 127)
	t.told = t.last
}

// enter calls the kernel for what is in the submission queue.
func (c *Core) enter() (int, error) {
	switch {
	case c.long || c.bytes > mostUntoldBytes || c.inside.Load() > mostUntold:
		return sharing.Submit(c.ring, true)
	case c.trust.told > 0:
		c.trust.told--
		return sharing.Submit(c.ring, true)
	}
	start := time.Now()
	n, err := sharing.Submit(c.ring, false)
	c.trust.took(time.Since(start))
	return n, err
}
