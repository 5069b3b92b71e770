package uring

import (
	"errors"
	"fmt"
	"io"
	"os"
	"syscall"
	"time"

	"github.com/uring-go/uring/cgo"
	"github.com/uring-go/uring/internal/live"
)

// drainTime is how long Close waits for the kernel to let go. Tests shorten it.
var drainTime = 2 * time.Second

// Close cancels every request, and closes the ring and what was made from it.
// When it returns nil, the kernel has let go of all memory and all files that the
// ring and its requests used. Completions not yet handled are gone with it: of the
// descriptors that they bring, only connections of an [Acceptor] are closed.
//
// What cannot be cancelled, such as I/O on a disk that hangs or a zero-copy send
// whose peer does not read, may hold its memory for longer than Close waits, 2
// seconds. The error then matches [ErrBusy] and says what is waited for. Call
// Close again, from any thread: it waits again, and returns nil once the kernel
// has let go. Until then the package keeps its memory as it is: an [Arena] that is
// registered or that the queues lie in cannot be closed. The caller must do the
// same with other memory that requests point at. After nil, another Close does
// nothing.
//
// A ring on which nothing is in flight, see [Ring.InFlight], closes in
// microseconds. If something is, or the number is not exact, or the queues lie in
// [Config].Memory, Close waits until the kernel has taken the ring apart in the
// background, which takes some tens of milliseconds. For that it needs two descriptors, and that the ring may register
// files. Where it cannot have them, it waits until InFlight is 0; if that does
// not come, the ring stays open, and may be used to end what is in flight. A ring
// that another process, or a duplicate of the descriptor, keeps open is busy, too.
//
// On a ring with [SetupSingleIssuer] only the owner may call Close; others get
// [ErrWrongThread], unless the owner's thread has ended. Then nothing can be
// cancelled: if requests are in flight, Close closes the ring and returns
// [ErrBusy] for ever, as nobody tells when they are over; if none are, it returns
// nil, but files that were registered are let go a little later. See
// io_uring_queue_exit(3).
func (r *Ring) Close() error {
	if r == nil || r.q == nil {
		return errNoRing
	}
	until := deadline{at: time.Now().Add(drainTime)}
	if r.closed {
		return r.awaitEnd(until)
	}
	fd := r.hide()   // or messages of others could come without end
	r.feeding = true // streams receive no more
	err := r.quiesce(until)
	if errors.Is(err, ErrWrongThread) && r.owner.ended() {
		r.orphaned()
	} else if err != nil {
		r.name(fd)
		r.feeding = false
		return err
	}
	return errors.Join(r.shut(), r.awaitEnd(until))
}

// An ending is what is left of a closed ring until the kernel has let go.
type ending struct {
	witness *os.File // at its end when the kernel has let go; nil if nothing tells
	pendingWork
}

// A pendingWork says what the kernel has still to do.
type pendingWork struct {
	requests int
	zeroCopy int // of them, sends of queues that wait for their notification
}

func (r *Ring) pendingWork() pendingWork {
	n := pendingWork{requests: r.InFlight()}
	for _, q := range r.queues {
		n.zeroCopy += q.Unnotified()
	}
	n.zeroCopy = min(n.zeroCopy, n.requests) // some may not have been submitted
	return n
}

// quiesce cancels all requests. Then nothing is in flight, or there is a witness
// for when the kernel has let go, or the error matches [ErrBusy].
func (r *Ring) quiesce(until deadline) error {
	if r.disabled && r.memory == nil {
		return nil // nothing was ever submitted
	}
	r.syncHead()
	taken := r.awaitSQThread(until)
	r.runWork()
	quiet := taken && r.countsAll() && r.unposted() == 0
	found, err := r.cancelEvery()
	if err != nil {
		return err
	}
	if quiet && found == 0 && r.memory == nil {
		r.reap()
		return nil
	}
	// Another thread may post a completion first, and let go of the request's files
	// after that: the count does not tell. And the kernel takes a ring apart in the
	// background, where it writes the tail of the completion queue once more.
	r.ending = r.newEnding()
	r.reap()
	for pause := 20 * time.Microsecond; !r.idle(); pause = min(2*pause, 5*time.Millisecond) {
		switch {
		case r.ending != nil && (pause > time.Millisecond || until.over()):
			return nil // the kernel ends the rest by itself
		case until.over():
			return wrapf("close: the kernel has not let go of %s after %v; the ring stays open: %w", r.pendingWork(), drainTime, ErrBusy)
		}
		time.Sleep(pause)
		if _, err := r.cancelEvery(); err != nil {
			return err
		}
		r.reap()
	}
	return nil
}

// idle reports whether it is sure that nothing is in flight.
func (r *Ring) idle() bool { return r.countsAll() && r.InFlight() == 0 }

// cancelEvery cancels every request that the kernel finds, and returns their
// number.
func (r *Ring) cancelEvery() (found int, err error) {
	rc := afterSignals(func() int { return r.drv.SyncCancelAll(0) })
	switch syscall.Errno(-rc) {
	case syscall.EEXIST:
		return 0, check("close", rc)
	case cgo.ETime:
		return 1, nil // some are not over yet
	}
	// ENOENT: nothing ran. Anything else cannot be helped, and the kernel cancels
	// what is left itself when the ring goes.
	return max(rc, 0), nil
}

// awaitSQThread waits until the kernel's thread has taken all entries that
// were submitted: what it takes later would not be cancelled.
func (r *Ring) awaitSQThread(until deadline) bool {
	for r.flags&SetupSQPoll != 0 && r.q.SQSubmitted() > 0 {
		if until.over() {
			return false
		}
		time.Sleep(50 * time.Microsecond)
	}
	return true
}

// reap takes all completions, and runs the work that leads to more. Send queues
// get theirs, and connections that acceptors would have brought are closed.
func (r *Ring) reap() {
	r.runWork()
	for c := range r.Completions() {
		if q := r.queues[c.UserData&^tokenGeneration]; q != nil {
			_, _ = q.complete(c)
		}
		if a := r.acceptors[c.UserData&^tokenGeneration]; a != nil {
			a.discard(c)
		}
	}
}

// newEnding puts a file into the ring's table of which a witness tells when it is
// closed. The kernel drops the table of a closed ring when no request is left, and
// no notification of a zero-copy send. The other files of the table are let go. It
// returns nil if that cannot be done.
func (r *Ring) newEnding() *ending {
	held, read, rc := cgo.Witness()
	if rc < 0 {
		return nil
	}
	defer cgo.CloseFD(held)
	if r.files == 0 {
		rc = r.drv.RegisterFiles([]int32{int32(held)}, nil)
	} else {
		slots := make([]int32, r.files)
		for i := range slots {
			slots[i] = -1
		}
		slots[0] = int32(held)
		rc = r.drv.UpdateFiles(0, slots) - 1
	}
	if rc < 0 {
		cgo.CloseFD(read)
		return nil
	}
	return &ending{witness: os.NewFile(uintptr(read), "end of a ring")}
}

// orphaned is quiesce for a ring that nobody may use any more.
func (r *Ring) orphaned() {
	r.drv.LoseRingFD()
	r.reap()
	if !r.idle() || r.memory != nil {
		r.ending = &ending{}
	}
}

// shut closes the ring, and whatever else keeps the kernel's side of it alive.
func (r *Ring) shut() error {
	if e := r.ending; e != nil {
		e.pendingWork = r.pendingWork()
	} else {
		// Here, files and locked memory are given back at once.
		if r.files > 0 {
			afterSignals(r.drv.UnregisterFiles)
		}
		r.buffers.unregister(r)
	}
	var err error
	if r.parked != nil {
		err = r.parked.close()
	}
	for _, q := range r.queues {
		q.closed = true
	}
	for _, s := range r.streams {
		s.closed = true
	}
	for _, a := range r.acceptors {
		a.closed = true
	}
	for _, b := range r.bufRings {
		b.closed = true
		if b.kernelMemory {
			err = errors.Join(err, b.entries.Unmap())
		}
	}
	for _, b := range r.rawRings {
		b.closed = true
	}
	for _, g := range r.regions {
		err = errors.Join(err, g.unmap())
	}
	for _, z := range r.zcrx {
		err = errors.Join(err, z.unmap())
	}
	r.closed, r.noSQE = true, ErrClosed
	r.q, r.head = r.q.Closed(), 0
	closeRaw(r.drv)
	return err
}

// awaitEnd waits until the kernel has let go of the closed ring, and frees the
// memory.
func (r *Ring) awaitEnd(until deadline) error {
	if r.freed {
		return nil
	}
	if e := r.ending; e != nil && !e.comes(e.patience(until)) {
		return e.busy()
	}
	return r.free()
}

// patience is the deadline, or a later one if no request is known to be in flight:
// then the kernel only has to take the ring apart, for which a busy machine needs
// time.
func (e *ending) patience(until deadline) deadline {
	if e.requests <= 0 {
		until.at = until.at.Add(4 * drainTime)
	}
	return until
}

// comes waits for the end until the deadline.
func (e *ending) comes(until deadline) bool {
	if e.witness == nil {
		return false
	}
	_ = e.witness.SetReadDeadline(until.at)
	if _, err := e.witness.Read(make([]byte, 1)); err != io.EOF {
		return false
	}
	_ = e.witness.Close()
	return true
}

// busy says what is waited for.
func (e *ending) busy() error {
	if e.witness == nil {
		return wrapf("close: the thread that the ring belonged to ended with %s, and nothing tells when the kernel lets go: %w", e.pendingWork, ErrBusy)
	}
	return wrapf("close: the kernel has not let go of %s after %v; wait by another Close: %w", e.pendingWork, drainTime, ErrBusy)
}

func (n pendingWork) String() string {
	switch {
	case n.zeroCopy > 0:
		return fmt.Sprintf("requests (in flight: %d, of them zero-copy sends of queues: %d)", n.requests, n.zeroCopy)
	case n.requests > 0:
		return fmt.Sprintf("requests (in flight: %d)", n.requests)
	}
	return "requests (how many is not known)"
}

// free frees all memory: the kernel has let go.
func (r *Ring) free() error {
	r.freed, r.ending = true, nil
	r.buffers.forget()
	for _, s := range r.streams {
		s.abandon()
	}
	for _, a := range r.acceptors {
		a.abandon()
	}
	for _, q := range r.queues {
		q.abandon()
	}
	for _, b := range r.bufRings {
		b.abandon()
	}
	for _, b := range r.unfreed {
		b.detach()
	}
	for _, b := range r.rawRings {
		b.free()
	}
	r.rawRings, r.rawClosed = nil, nil
	r.leaveMemory()
	for _, g := range r.regions {
		g.leave()
	}
	for _, z := range r.zcrx {
		z.leave()
	}
	var err error
	if r.scratch != nil {
		err = r.scratch.Unmap()
	}
	live.Closed(r)
	return err
}
