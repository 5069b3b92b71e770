package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"time"
)

// connTime is the most that a connection may take: longer, and it hangs.
const connTime = time.Minute

// headerSize is the connection's number, which the client sends first.
const headerSize = 8

// errReset is how an end that resets the connection stops writing.
var errReset = errors.New("reset as planned")

// An end is one end of a connection.
type end struct {
	*net.TCPConn
	plan     plan
	writes   int // direction
	got      arrival
	resets   bool // this end resets the connection
	slow     bool // this end reads slowly
	received chan struct{}
}

func newEnd(c *net.TCPConn, p plan, writes int) *end {
	e := &end{TCPConn: c, plan: p, writes: writes, got: arrival{hash: sha256.New()}, received: make(chan struct{})}
	e.resets = p.style == clientReset && writes == up || p.style == sinkReset && writes == down
	e.slow = p.style == slowClient && writes == up || p.style == slowSink && writes == down
	return e
}

// talk writes one direction and receives the other, and closes the connection.
// It returns what went wrong; for a connection that is reset something does.
func (e *end) talk() error {
	defer e.Close()
	readErr := make(chan error, 1)
	go func() {
		err := e.receive()
		close(e.received)
		readErr <- err
	}()
	err := e.write()
	if errors.Is(err, errReset) {
		_ = e.SetLinger(0)
		e.Close()
	}
	return errors.Join(err, <-readErr)
}

func (e *end) write() error {
	if e.plan.style == halfCloses && e.writes == down {
		<-e.received // or failed: then writing does too
	}
	left := e.plan.length(e.writes)
	if e.resets {
		left = e.plan.resetAt
	}
	pause, from, buf := e.plan.pauses(uint64(1+e.writes)), e.plan.content(e.writes), make([]byte, 256<<10)
	for left > 0 {
		part := buf[:pause.chunk(left)]
		_, _ = from.Read(part)
		if _, err := e.Write(part); err != nil {
			return err
		}
		left -= int64(len(part))
		pause.stall()
	}
	if e.resets {
		return errReset
	}
	return e.CloseWrite()
}

func (e *end) receive() error {
	pause, buf := e.plan.pauses(uint64(3+e.writes)), make([]byte, 64<<10)
	if e.slow {
		buf = buf[:4<<10]
	}
	for {
		n, err := e.Read(buf)
		e.got.n += int64(n)
		e.got.hash.Write(buf[:n])
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		pause.stall()
		if e.slow {
			time.Sleep(time.Millisecond)
		}
	}
}

// check says what is wrong with what arrived. All of it must be there if the
// connection ended without an error, which whole says.
func (e *end) check(whole bool) error {
	direction := 1 - e.writes
	want := e.plan.length(direction)
	switch {
	case e.got.n > want:
		return fmt.Errorf("%d bytes arrived, of %d that were sent", e.got.n, want)
	case whole && e.got.n < want:
		return fmt.Errorf("%d bytes arrived, then a clean end; %d were sent", e.got.n, want)
	case !bytes.Equal(e.got.hash.Sum(nil), e.plan.sum(direction, e.got.n)):
		return fmt.Errorf("the SHA-256 of the %d bytes that arrived is wrong", e.got.n)
	}
	return nil
}

// dial opens connection number id and returns the client's end.
func dial(addr string, seed, id uint64) (*end, error) {
	c, err := net.DialTimeout("tcp4", addr, connTime)
	if err != nil {
		return nil, err
	}
	_ = c.SetDeadline(time.Now().Add(connTime))
	var header [headerSize]byte
	binary.LittleEndian.PutUint64(header[:], id)
	if _, err := c.Write(header[:]); err != nil {
		c.Close()
		return nil, err
	}
	return newEnd(c.(*net.TCPConn), newPlan(seed, id), up), nil
}
