package core

import (
	"errors"
	"runtime"

	"github.com/uring-go/uring"
)

// startThread starts the goroutine that submits from a thread of its own.
func (c *Core) startThread(workers int) error {
	_, _, err := c.ring.RegisterIOWQMaxWorkers(workers, 0)
	if err != nil && !errors.Is(err, uring.ErrNotSupported) {
		return err
	}
	c.wake, c.stop, c.stopped = make(chan struct{}, 1), make(chan struct{}), make(chan struct{})
	go c.submitFromThread()
	return nil
}

func (c *Core) submitFromThread() {
	defer close(c.stopped)
	runtime.LockOSThread() // for good: the thread ends with the goroutine
	for {
		select {
		case <-c.wake:
			c.takeTurn(true)
		case <-c.stop:
			// Who put a request on the list before, and did not see that this
			// ends, is answered here.
			c.ended.Store(true)
			c.takeTurn(false)
			return
		}
	}
}

// wakeThread has the core's thread submit soon.
func (c *Core) wakeThread() {
	select {
	case c.wake <- struct{}{}:
	default: // it will anyway
	}
}

// takeTurn takes a turn.
func (c *Core) takeTurn(submits bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.turn(submits)
}
