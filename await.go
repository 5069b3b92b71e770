package uring

import (
	"context"
	"errors"
	"os"
	"syscall"
	"time"

	"github.com/uring-go/uring/cgo"
)

// A parker lets a goroutine wait for the ring in Go's network poller.
type parker struct {
	file  *os.File
	conn  syscall.RawConn
	renew bool // the kernel may signal the eventfd once only
}

// newParker waits on a duplicate of the ring's descriptor. With
// [SetupDeferTaskrun] that would not wake up for work that the ring's owner has
// still to run; the ring's eventfd does.
func (r *Ring) newParker() (*parker, error) {
	if r.flags&SetupDeferTaskrun != 0 {
		return r.newEventParker()
	}
	if r.FD() < 0 {
		return nil, errors.New("uring: Await needs a ring with a file descriptor: leave out SetupRegisteredFDOnly, or add SetupDeferTaskrun")
	}
	fd := cgo.Dup(r.FD())
	if err := check(opDup, fd); err != nil {
		return nil, err
	}
	// os.NewFile gives a descriptor to the poller only if it does not block.
	if err := check(opPollable, cgo.SetNonblock(fd)); err != nil {
		cgo.CloseFD(fd)
		return nil, err
	}
	return newParker(fd)
}

func (r *Ring) newEventParker() (*parker, error) {
	if r.eventFD {
		return nil, errors.New("uring: Await needs the ring's eventfd with SetupDeferTaskrun, and RegisterEventFD has taken it")
	}
	fd := cgo.EventFD()
	if err := check(opMakeEventFD, fd); err != nil {
		return nil, err
	}
	if err := check(opRegisterEventFD, r.drv.RegisterEventFD(fd, false)); err != nil {
		cgo.CloseFD(fd)
		return nil, err
	}
	p, err := newParker(fd)
	if err != nil {
		r.drv.UnregisterEventFD()
		return nil, err
	}
	answer, err := bugEventFD.check()
	p.renew = answer != "" || err != nil
	return p, nil
}

// renewEventFD makes the kernel signal the eventfd once more.
func (r *Ring) renewEventFD(fd int) error {
	r.drv.UnregisterEventFD()
	return check(opRegisterEventFD, r.drv.RegisterEventFD(fd, false))
}

// newParker takes fd over.
func newParker(fd int) (*parker, error) {
	file := os.NewFile(uintptr(fd), "io_uring")
	conn, err := file.SyscallConn()
	if err == nil {
		err = file.SetReadDeadline(time.Time{}) // fails if it cannot be polled
	}
	if err != nil {
		return nil, errors.Join(err, file.Close())
	}
	return &parker{file: file, conn: conn}, nil
}

func (p *parker) close() error { return p.file.Close() }

// Await submits and waits until n completions are ready, or ctx is done. While
// it waits, the goroutine is parked in Go's network poller like a reader of a
// net.Conn: it takes no thread. If the kernel takes some of the entries only, it
// submits the others before it waits. On a ring with [SetupSingleIssuer], whose
// goroutine is locked to its thread, parking costs more than
// [Ring.SubmitAndWait] does. With [SetupDeferTaskrun] it takes the place of
// [Ring.RegisterEventFD]. It does not go with [SetupIOPoll].
//
// A timeout request that expires does not end it, as it does [Ring.SubmitAndWait].
// It returns how many entries the kernel took. When ctx ends first the error
// is that of ctx, and nothing is cancelled.
func (r *Ring) Await(ctx context.Context, n int) (int, error) {
	if err := r.usable(); err != nil {
		return 0, err
	}
	if r.flags&SetupIOPoll != 0 {
		return 0, errors.New("uring: Await does not go with SetupIOPoll, where nothing tells of completions: use SubmitAndWait")
	}
	if err := r.usable(); err != nil {
		return 0, err
	}
	want, queued := r.wanted(n), r.q.SQUnsubmitted()
	_, err := r.Submit()
	if err == nil {
		err = r.awaitReady(ctx, want)
	}
	return r.submitted(queued), err
}

func (r *Ring) awaitReady(ctx context.Context, want uint32) error {
	ready, err := r.advance(want)
	if ready || err != nil {
		return err
	}
	return r.park(ctx, want)
}

// advance submits what the kernel left and reports whether want completions are
// ready. If they are not, the next completion wakes what waits for the ring.
func (r *Ring) advance(want uint32) (bool, error) {
	for !r.arrived(want) {
		if r.q.SQUnsubmitted() == 0 {
			return false, nil
		}
		if err := r.submitRest(); err != nil {
			return false, err
		}
	}
	return true, nil
}

// arrived reports whether want completions are ready, after asking the kernel for
// those that wait there.
func (r *Ring) arrived(want uint32) bool {
	for r.ready() < want {
		if !r.fetch() {
			return false
		}
	}
	return true
}

func (r *Ring) park(ctx context.Context, want uint32) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if r.parked == nil {
		p, err := r.newParker()
		if err != nil {
			return err
		}
		r.parked = p
	}
	if ctx.Done() == nil {
		return r.sleep(want)
	}
	// A deadline in the past wakes the reader.
	file := r.parked.file
	woken := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		_ = file.SetReadDeadline(time.Unix(1, 0))
		close(woken)
	})
	err := r.sleep(want)
	if stop() {
		return err
	}
	<-woken
	if err := file.SetReadDeadline(time.Time{}); err != nil { // or it would wake the next one
		return err
	}
	if ready, err := r.advance(want); ready || err != nil {
		return err
	}
	return ctx.Err()
}

// sleep waits in the poller until want completions are ready.
func (r *Ring) sleep(want uint32) error {
	var failed error
	err := r.parked.conn.Read(func(fd uintptr) bool {
		// Before it looks: what comes in between wakes it again.
		if r.parked.renew {
			if failed = r.renewEventFD(int(fd)); failed != nil {
				return true
			}
		}
		var ready bool
		ready, failed = r.advance(want)
		return ready || failed != nil
	})
	if failed != nil {
		return failed
	}
	return err
}
