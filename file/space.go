package file

import (
	"context"
	"io/fs"
	"syscall"

	"github.com/uring-go/uring"
	"github.com/uring-go/uring/internal/core"
)

// Truncate changes the file's length. See [os.File.Truncate].
func (f *File) Truncate(size int64) error {
	return f.change("truncate", size >= 0, prepTruncate, 0, 0, size, func() error {
		return bare(f.os.Truncate(size))
	})
}

func prepTruncate(s uring.SQE, r *core.Request) error {
	s.PrepFtruncate(r.FD, r.Len)
	return nil
}

// AllocateMode says what [File.Allocate] does. See fallocate(2).
type AllocateMode uint32

// The modes. Which of them a file system knows differs.
const (
	KeepSize      AllocateMode = 0x01 // does not make the file longer
	PunchHole     AllocateMode = 0x02 // frees the range; with KeepSize
	CollapseRange AllocateMode = 0x08 // takes the range out of the file
	ZeroRange     AllocateMode = 0x10 // makes the range zero
	InsertRange   AllocateMode = 0x20 // inserts a hole
)

// Allocate makes room for n bytes at off, so that writes there do not fail for
// lack of space, or does what mode says. See fallocate(2). Linux only.
func (f *File) Allocate(mode AllocateMode, off, n int64) error {
	return f.change("allocate", off >= 0 && n > 0, prepAllocate, uint32(mode), off, n, func() error {
		return f.fallocate(uint32(mode), off, n)
	})
}

func prepAllocate(s uring.SQE, r *core.Request) error {
	s.PrepFallocate(r.FD, int(r.Flags), r.Off, r.Len)
	return nil
}

// Advice says how a file will be used. See posix_fadvise(2).
type Advice int

// The advices.
const (
	Normal     Advice = 0
	Random     Advice = 1 // read no more than asked for
	Sequential Advice = 2 // read ahead
	WillNeed   Advice = 3 // read it now, into the page cache
	DontNeed   Advice = 4 // drop it from the page cache
	NoReuse    Advice = 5 // each part is used once
)

// Advise says how n bytes at off, or all from there on if n is 0, will be used.
// See posix_fadvise(2). Linux only.
func (f *File) Advise(advice Advice, off, n int64) error {
	return f.change("advise", off >= 0 && n >= 0, prepAdvise, uint32(advice), off, n, func() error {
		return f.fadvise(off, n, int(advice))
	})
}

func prepAdvise(s uring.SQE, r *core.Request) error {
	s.PrepFadvise(r.FD, r.Off, r.Len, int(r.Flags))
	return nil
}

// change carries out a request that moves no bytes of the caller's.
func (f *File) change(op string, ok bool, prep func(uring.SQE, *core.Request) error, flags uint32, off, n int64, plain func() error) error {
	if err := f.begin(); err != nil {
		return f.fail(op, err)
	}
	defer f.uses.end()
	if !ok {
		return f.fail(op, syscall.EINVAL)
	}
	if f.kind == stream {
		return f.fail(op, plain())
	}
	r := f.request(core.Worker, prep)
	r.Flags, r.Off, r.Len = flags, off, n
	_, err := f.engine.carry(context.Background(), f, r, f.engine.paths, func() (int, error) { return 0, plain() })
	return f.fail(op, err)
}

var _ fs.File = (*File)(nil)
