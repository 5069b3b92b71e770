package uring

import (
	"encoding/binary"
	"fmt"
	"syscall"
	"time"

	"github.com/uring-go/uring/cgo"
)

var bugMissedEnd = &bug{
	name:        "a multishot receive misses the end",
	consequence: "a PrepPollAdd beside the receive notices: see SQE.PrepRecvMultishot; uring proxy has one",
	look: func() (answer string, err error) {
		for _, end := range []streamEnd{
			{"the end", (*trial).endedStream, 0},
			{"the reset", (*trial).resetStream, -int(syscall.ECONNRESET)},
		} {
			answer, err = onTrialLook(end.look)()
			if answer != "" || err != nil {
				break
			}
		}
		return answer, err
	},
}

// A streamEnd is a way in which streams end.
type streamEnd struct {
	what   string
	open   func(t *trial, n int) (fd int32, err error) // with n bytes to receive, and the end behind them
	result int                                         // of a receive at the end
}

// look receives a stream with a multishot receive. One that finds data for more
// than 32 buffers makes a pause, and goes on as if woken by what was there when
// it did: where the kernel knows that the data it then takes is the last, it
// waits behind that, even if the stream has ended by then.
func (end streamEnd) look(t *trial) (string, error) {
	const n = 40
	if err := t.buffers(0, n+1, 1); err != nil {
		return "", err
	}
	fd, err := end.open(t, n)
	if err != nil {
		return "", err
	}
	recv, err := t.start(cgo.SQE{Opcode: cgo.OpRecv, FD: fd, Flags: cgo.SQEBufferSelect, IOPrio: cgo.RecvMultishot})
	if err != nil {
		return "", err
	}
	for range n {
		c, err := t.wait(recv)
		if err := result(c, err, 1); err != nil {
			return "", err
		}
	}
	timer, err := t.start(cgo.SQE{Opcode: cgo.OpTimeout, FD: -1, Addr: t.time(20 * time.Millisecond), Len: 1})
	if err != nil {
		return "", err
	}
	switch c, err := t.next(); {
	case err != nil:
		return "", err
	case c.UserData == timer:
		return fmt.Sprintf("received %d bytes, and never %s of the stream that was there behind them", n, end.what), nil
	default:
		return "", result(c, nil, end.result)
	}
}

// endedStream returns the end of a UNIX stream whose other end is closed.
func (t *trial) endedStream(n int) (fd int32, err error) {
	a, b, err := t.pair(cgo.SockStream)
	if err != nil {
		return -1, err
	}
	if err := t.queue(b, a, n); err != nil {
		return -1, err
	}
	t.closeFD(b)
	return a, nil
}

// resetStream returns the end of a TCP connection that the other end has reset:
// connecting that to an address of no family does.
func (t *trial) resetStream(n int) (fd int32, err error) {
	a, b, err := t.tcpPair()
	if err != nil {
		return -1, err
	}
	if err := t.queue(b, a, n); err != nil {
		return -1, err
	}
	nowhere, addr := t.bytes(trialIovec, 16)
	clear(nowhere)
	c, err := t.do(cgo.SQE{Opcode: cgo.OpConnect, FD: b, Addr: addr, Off: uint64(len(nowhere))})
	if err := result(c, err, 0); err != nil {
		return -1, err
	}
	c, err = t.do(cgo.SQE{Opcode: cgo.OpPollAdd, FD: a}) // for nothing but the reset
	if err != nil {
		return -1, err
	}
	return a, check(opTry, int(c.Res))
}

// time writes a struct timespec and returns its address.
func (t *trial) time(d time.Duration) uint64 {
	p, addr := t.bytes(trialIovec, 16)
	binary.NativeEndian.PutUint64(p, 0)
	binary.NativeEndian.PutUint64(p[8:], uint64(d))
	return addr
}
