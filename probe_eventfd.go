package uring

import (
	"time"

	"github.com/uring-go/uring/cgo"
)

var bugEventFD = &bug{
	name:        "the eventfd of deferred work falls silent",
	consequence: "none: Await registers its eventfd anew whenever it sleeps. With RegisterEventFD do so after each signal: see there",
	look: func() (answer string, err error) {
		err = onTrial(0, func(t *trial) error {
			return onTrial(cgo.SetupSingleIssuer|cgo.SetupDeferTaskrun, func(deferring *trial) error {
				answer, err = lookEventFD(t, deferring)
				return err
			})
		})
		return answer, noIfInvalid(err)
	},
}

// Data wakes a receive, which adds work to its ring, and the kernel signals the
// eventfd. Some kernels cannot do so from within the wake-up: they ask RCU to do
// it soon, and note that they have asked. One that never forgets that it has asks
// once for each registration. RCU does first what it was asked first, so a signal
// that is not there when a later one of this kind is will never come.
func lookEventFD(t, deferring *trial) (string, error) {
	t.deadline = t.deadline.Add(4 * trialTime) // RCU waits for all processors, twice
	a, b, err := t.pair(cgo.SockStream)
	if err != nil {
		return "", err
	}
	first, second, err := t.keep([2]int{cgo.EventFD(), cgo.EventFD()}, 0)
	if err != nil {
		return "", err
	}
	e := &eventTrial{t, deferring, a, b}
	if err := e.signalled(first); err != nil {
		return "", err
	}
	// Taking a completion signals as well, but at once.
	if err := e.take(); err != nil {
		return "", err
	}
	if _, err := e.read(first); err != nil {
		return "", err
	}
	if err := e.wake(); err != nil {
		return "", err
	}
	if err := check(opUnregisterEventFD, deferring.ring.UnregisterEventFD()); err != nil {
		return "", err
	}
	if err := e.take(); err != nil {
		return "", err
	}
	if err := e.signalled(second); err != nil {
		return "", err
	}
	if there, err := e.read(first); there || err != nil {
		return "", err
	}
	return "signalled an eventfd for the first deferred work, and not for the next", nil
}

// An eventTrial is a stream whose data adds work to a ring that defers it.
type eventTrial struct {
	t, deferring *trial
	a, b         int32
}

// wake adds work.
func (e *eventTrial) wake() error {
	request := cgo.SQE{Opcode: cgo.OpRecv, FD: e.a, Addr: e.t.spare(), Len: 1}
	if _, err := e.deferring.start(request); err != nil {
		return err
	}
	return e.t.send(e.b, 1)
}

// take runs the work that wake added.
func (e *eventTrial) take() error {
	c, err := e.deferring.next()
	return result(c, err, 1)
}

// signalled registers an eventfd, adds work, and waits for the signal.
func (e *eventTrial) signalled(fd int32) error {
	if err := check(opRegisterEventFD, e.deferring.ring.RegisterEventFD(int(fd), false)); err != nil {
		return err
	}
	if err := e.wake(); err != nil {
		return err
	}
	c, err := e.t.do(cgo.SQE{Opcode: cgo.OpPollAdd, FD: fd, OpFlags: cgo.PollIn})
	return result(c, err, cgo.PollIn)
}

// read reports whether an eventfd is signalled by now, or is about to be, and
// takes the signal.
func (e *eventTrial) read(fd int32) (bool, error) {
	// A read would wait for the signal, although the eventfd does not block.
	if _, err := e.t.start(cgo.SQE{Opcode: cgo.OpPollAdd, FD: fd, OpFlags: cgo.PollIn}); err != nil {
		return false, err
	}
	// The processors do what RCU is asked for each at their own time.
	timer, err := e.t.start(cgo.SQE{Opcode: cgo.OpTimeout, FD: -1, Addr: e.t.time(10 * time.Millisecond), Len: 1})
	if err != nil {
		return false, err
	}
	if c, err := e.t.next(); err != nil || c.UserData == timer {
		return false, err
	}
	c, err := e.t.do(cgo.SQE{Opcode: cgo.OpRead, FD: fd, Addr: e.t.spare(), Len: 8})
	return true, result(c, err, 8)
}
