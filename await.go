package uring

import (
	"context"
	"errors"
	"os"
	"syscall"
	"time"

	"github.com/uring-go/uring/cgo"
)

// A parker lets a goroutine wait for the ring in Go's network poller. It owns
// a duplicate of the ring's descriptor.
type parker struct {
	file *os.File
	conn syscall.RawConn
}

func newParker(fd int) (*parker, error) {
	dup := cgo.Dup(fd)
	if err := check("duplicate the ring's descriptor", dup); err != nil {
		return nil, err
	}
	// os.NewFile gives a descriptor to the poller only if it does not block.
	if err := check("make the ring's descriptor pollable", cgo.SetNonblock(dup)); err != nil {
		cgo.CloseFD(dup)
		return nil, err
	}
	file := os.NewFile(uintptr(dup), "io_uring")
	conn, err := file.SyscallConn()
	if err == nil {
		err = file.SetReadDeadline(time.Time{}) // fails if it cannot be polled
	}
	if err != nil {
		return nil, errors.Join(err, file.Close())
	}
	return &parker{file, conn}, nil
}

func (p *parker) close() error { return p.file.Close() }

// Await submits and waits until n completions are ready, or ctx is done. While
// it waits, the goroutine is parked in Go's network poller like a reader of a
// net.Conn: it takes no thread. On a ring with [SetupSingleIssuer], whose
// goroutine is locked to its thread, parking costs more than
// [Ring.SubmitAndWait] does.
//
// It returns how many entries the kernel took. When ctx ends first the error
// is that of ctx, and nothing is cancelled.
func (r *Ring) Await(ctx context.Context, n int) (int, error) {
	submitted, err := r.Submit()
	if err != nil {
		return submitted, err
	}
	want := r.wanted(n)
	if r.arrived(want) {
		return submitted, nil
	}
	if err := r.park(ctx, want); err != nil {
		return submitted, err
	}
	return submitted, nil
}

// arrived says whether want completions are ready, after asking the kernel for
// those that wait there.
func (r *Ring) arrived(want uint32) bool {
	const waiting = cgo.SQTaskrun | cgo.SQCQOverflow
	for r.ready() < want {
		before := r.ready()
		if r.q.SQFlags()&waiting == 0 && r.flags&SetupIOPoll == 0 {
			return false
		}
		r.getEvents()
		if r.ready() == before {
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
		if r.FD() < 0 {
			return errors.New("uring: Await needs a ring with a file descriptor: leave out SetupRegisteredFDOnly")
		}
		p, err := newParker(r.FD())
		if err != nil {
			return err
		}
		r.parked = p
	}
	// A deadline in the past wakes the reader.
	file := r.parked.file
	if err := file.SetReadDeadline(time.Time{}); err != nil {
		return err
	}
	stop := context.AfterFunc(ctx, func() { _ = file.SetReadDeadline(time.Unix(1, 0)) })
	err := r.parked.conn.Read(func(uintptr) bool { return r.arrived(want) })
	if !stop() {
		// The function ran or runs: the next park clears what it set.
		if r.arrived(want) {
			return nil
		}
		return ctx.Err()
	}
	return err
}
