package core

import (
	"errors"
	"fmt"
	"os"
	"syscall"
	"time"
)

// openPoller gives Go's network poller a duplicate of the ring's descriptor.
// Ring.Await is not for this: it is one goroutine's that has the ring to itself.
func (c *Core) openPoller() (syscall.RawConn, error) {
	fd, err := dup(c.ring.FD())
	if err != nil {
		return nil, fmt.Errorf("uring: duplicate the ring's descriptor: %w", err)
	}
	c.poller = os.NewFile(uintptr(fd), "io_uring")
	conn, err := c.poller.SyscallConn()
	if err == nil {
		err = c.poller.SetReadDeadline(time.Time{}) // fails if it cannot be polled
	}
	if err != nil {
		return nil, errors.Join(err, c.poller.Close())
	}
	return conn, nil
}

// collect takes a turn each time that the kernel has posted completions, until
// the poller is closed.
func (c *Core) collect(conn syscall.RawConn) {
	ended := true
	defer func() {
		if ended { // by a function that fills an entry
			go c.collect(conn)
			return
		}
		close(c.collected)
	}()
	_ = conn.Read(func(uintptr) bool {
		c.letRun(Disk) // whom the last turn woke
		c.kick()
		return false
	})
	ended = false
}
