package file

import (
	"context"
	"fmt"
	"io"
	"syscall"
	"unsafe"

	"github.com/uring-go/uring"
	"github.com/uring-go/uring/internal/core"
	"github.com/uring-go/uring/internal/nowait"
)

// An alignment is what direct I/O on a file asks for.
type alignment struct {
	memory int // of the buffer's address
	offset int // of the offset in the file, and of the length
	asked  bool
}

// strictest is the alignment that does where the kernel does not tell.
const strictest = 4096

// askAlignment asks the kernel what direct I/O on the file needs: Linux 6.1.
func (f *File) askAlignment() *alignment {
	a := &alignment{memory: strictest, offset: strictest}
	if f.home == nil {
		return a
	}
	r := f.request(core.Disk, prepFileStatx) // of the file's ring, to open no other
	r.Statx = new(uring.Statx)
	err := f.home.Run(context.Background(), r)
	_, failed := r.Result()
	x := r.Statx
	r.Free()
	// A memory alignment of 0 means that there is no direct I/O on the file.
	if err == nil && failed == nil && x.Mask&uint32(uring.StatxDIOAlign) != 0 && x.DIOMemAlign > 0 && x.DIOOffsetAlign > 0 {
		a.memory, a.offset, a.asked = int(x.DIOMemAlign), int(x.DIOOffsetAlign), true
	}
	return a
}

func prepFileStatx(s uring.SQE, r *core.Request) error {
	return s.PrepStatx(int(r.FD), "", uring.AtEmptyPath, uring.StatxDIOAlign, r.Statx)
}

// aligned reports whether a buffer's address suits the device.
func (a *alignment) aligned(p []byte) bool {
	return uintptr(unsafe.Pointer(unsafe.SliceData(p)))%uintptr(a.memory) == 0
}

// whole reports whether a number of bytes, or an offset, suits the device.
func (a *alignment) whole(n int64) bool { return n%int64(a.offset) == 0 }

// readDirect reads past the page cache: into p if that is aligned, else into a
// buffer of the engine's.
func (f *File) readDirect(ctx context.Context, p []byte, off int64) (int, error) {
	a := f.direct
	if a.whole(off) && a.whole(int64(len(p))) && a.aligned(p) {
		return f.readDisk(ctx, p, off)
	}
	start := off - off%int64(a.offset)
	skip := int(off - start)
	want := min(skip+len(p), mostBounced)
	b := f.engine.mem.get(roundUp(want, a.offset))
	defer f.engine.mem.put(b)
	n, err := f.readDisk(ctx, b.mem, start)
	if err != nil || n <= skip {
		return 0, err
	}
	return copy(p, b.mem[skip:n]), nil
}

// mostBounced is the most that a read or write moves through a buffer of the
// engine's at a time.
const mostBounced = 1 << 20

// readDisk reads what is aligned.
func (f *File) readDisk(ctx context.Context, p []byte, off int64) (int, error) {
	if f.nowait.CompareAndSwap(unknown, can) {
		// Some file systems take the flag O_DIRECT and read from memory: they
		// also know of no reading without waiting.
		n, errno := nowait.Read(f.fd, p, off)
		switch {
		case errno == 0:
			return n, nil
		case nowait.Missing(errno) && errno != syscall.EINVAL:
			f.nowait.Store(cannot)
		}
	}
	return f.readWaiting(ctx, p, off)
}

// writeDirect writes past the page cache. Memory that is not aligned is copied.
func (f *File) writeDirect(ctx context.Context, p []byte, off int64) (int, error) {
	a := f.direct
	if a.asked && (off != atPosition && !a.whole(off) || !a.whole(int64(len(p)))) {
		return 0, fmt.Errorf("with O_DIRECT the offset and the length must be multiples of %d, not %d and %d: %w", a.offset, off, len(p), syscall.EINVAL)
	}
	if f.nowait.Load() == cannot {
		return f.engine.blocking(ctx, func() (int, error) { return f.pwrite(p, off) })
	}
	if a.aligned(p) {
		return f.writeDisk(ctx, p, off)
	}
	b := f.engine.mem.get(min(len(p), mostBounced))
	defer f.engine.mem.put(b)
	copy(b.mem, p)
	return f.writeDisk(ctx, b.mem, off)
}

func (f *File) writeDisk(ctx context.Context, p []byte, off int64) (int, error) {
	class := core.Disk
	if f.flags&syncFlags != 0 {
		class = core.Worker // the kernel syncs in one
	}
	return f.writeWaiting(ctx, class, p, off)
}

// moving calls a read or write at an offset, the file's own position, and moves
// that.
func (f *File) moving(call func(off int64) (int, error)) (int, error) {
	off, err := f.os.Seek(0, io.SeekCurrent)
	if err != nil {
		return 0, bare(err)
	}
	n, err := call(off)
	if n > 0 {
		if _, serr := f.os.Seek(off+int64(n), io.SeekStart); serr != nil && err == nil {
			err = bare(serr)
		}
	}
	return n, err
}

func roundUp(n, to int) int { return (n + to - 1) / to * to }
