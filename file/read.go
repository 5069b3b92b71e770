package file

import (
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"os"
	"syscall"

	"github.com/uring-go/uring"
	"github.com/uring-go/uring/internal/core"
	"github.com/uring-go/uring/internal/nowait"
)

// ReadAt reads len(p) bytes at off, fewer only with an error, which at the end
// of the file is [io.EOF]. See [io.ReaderAt].
func (f *File) ReadAt(p []byte, off int64) (int, error) {
	return f.ReadAtContext(context.Background(), p, off)
}

// ReadAtContext is ReadAt until ctx ends. A read that waits for its turn is
// then dropped at once. One that the kernel has begun can hardly ever be
// cancelled, and ReadAtContext waits for it, as the kernel would write into p
// later: [File.ReadBuf] need not wait.
func (f *File) ReadAtContext(ctx context.Context, p []byte, off int64) (int, error) {
	switch {
	case f != nil && f.kind == stream:
		return f.os.ReadAt(p, off)
	case off < 0:
		return 0, f.fail("readat", errNegativeOffset)
	}
	if err := f.begin(); err != nil {
		return 0, f.fail("read", err)
	}
	defer f.uses.end()
	n, err := f.readFull(ctx, p, off)
	if err != nil && err != io.EOF {
		err = f.fail("read", err)
	}
	return n, err
}

// readFull reads until p is full.
func (f *File) readFull(ctx context.Context, p []byte, off int64) (int, error) {
	total := 0
	for total < len(p) {
		n, err := f.read(ctx, p[total:], off+int64(total))
		if err != nil {
			return total, err
		}
		if n == 0 {
			return total, io.EOF
		}
		total += n
	}
	return total, nil
}

// Read reads from the file's own position. See [os.File.Read]. Reads and writes
// at the position take turns.
func (f *File) Read(p []byte) (int, error) {
	if f != nil && f.kind == stream {
		return f.os.Read(p)
	}
	if err := f.begin(); err != nil {
		return 0, f.fail("read", err)
	}
	defer f.uses.end()
	if len(p) == 0 {
		return 0, nil
	}
	f.pos.Lock()
	defer f.pos.Unlock()
	ctx := context.Background()
	var n int
	var err error
	if f.direct != nil {
		n, err = f.moving(func(off int64) (int, error) { return f.read(ctx, p, off) })
	} else {
		n, err = f.readOn(ctx, p)
	}
	switch {
	case err != nil:
		return 0, f.fail("read", err)
	case n == 0:
		return 0, io.EOF
	}
	return n, nil
}

// readOn reads at the file's position, and like the kernel reads on where the
// page cache had some of the bytes only.
func (f *File) readOn(ctx context.Context, p []byte) (int, error) {
	n, err := f.read(ctx, p, atPosition)
	for err == nil && n > 0 && n < len(p) {
		m, err := f.read(ctx, p[n:], atPosition)
		if err != nil || m == 0 {
			break // an error comes again
		}
		n += m
	}
	return n, err
}

// What nowait reads or writes of a file can do.
const (
	unknown int32 = iota
	can
	cannot
)

// read reads once, in the way that seems best; 0 bytes mean the end of the
// file.
func (f *File) read(ctx context.Context, p []byte, off int64) (int, error) {
	if f.direct != nil {
		return f.readDirect(ctx, p, off)
	}
	hot := f.score.Load() > hotScore
	if hot && len(p) <= mostUntold && f.nowait.Load() != cannot && f.short() {
		if n, err, done := f.answered(nowait.ReadUntold(f.fd, p, off)); done {
			return n, err
		}
		return f.readWaiting(ctx, p, off)
	}
	// Once in a while the page cache is asked, to keep the score.
	chance := rand.Uint32()
	if hot && chance%probeEvery != 0 || f.nowait.Load() == cannot {
		if k := f.engine.hot.take(); k != nil {
			n, err := f.pread(p, off)
			k.give()
			if chance%probeEvery == 1 {
				f.engine.plain.add(probeEvery)
			}
			f.look()
			return n, err
		}
	}
	if n, err, done := f.readNow(p, off, chance); done {
		return n, err
	}
	return f.readWaiting(ctx, p, off)
}

// mostUntold is how many bytes are copied in a call that Go's scheduler is not told
// of. Telling takes as long as copying half a page does.
const mostUntold = 64 << 10

// look hands out what the ring has completed: where reads need not wait, nobody
// else may for long.
func (f *File) look() {
	for _, c := range f.engine.cores {
		c.Look()
	}
}

// readWaiting reads what is not in the page cache.
func (f *File) readWaiting(ctx context.Context, p []byte, off int64) (int, error) {
	e := f.engine
	if f.home == nil || f.nowait.Load() == cannot {
		return e.blocking(ctx, func() (int, error) { return f.pread(p, off) })
	}
	if f.home.Busy(core.Disk) <= 1 {
		if k := e.reads.take(); k != nil {
			defer k.give()
			e.plain.add(1)
			return f.pread(p, off)
		}
	}
	r := f.request(core.Disk, prepRead)
	r.Buf, r.Off, r.Hurry = p, off, f.score.Load() > hotScore
	c, _ := f.ring()
	err := c.Run(ctx, r)
	n, failed := r.Result()
	if err == nil && f.direct == nil {
		f.saw(r.AtOnce)
	}
	r.Free()
	if failed == nil {
		return n, nil
	}
	if ctx.Err() == nil && plainMayTell(failed) {
		return e.blocking(ctx, func() (int, error) { return f.pread(p, off) })
	}
	return 0, closedAsFS(failed)
}

func prepRead(s uring.SQE, r *core.Request) error {
	s.PrepRead(r.FD, r.Buf, uint64(r.Off))
	return nil
}

// The score of a file is between bestScore and worstScore. As long as it is not
// negative, the page cache is worth asking. Above hotScore reads seldom wait,
// and are plain calls: those ask no question, which costs a little too.
const (
	bestScore, worstScore = 64, -16
	hotScore              = 32
	missCost              = 4
	probeEvery            = 16
)

// readNow reads what is in the page cache. done is false if the read would have
// to wait, or nobody can tell. chance is a random number.
func (f *File) readNow(p []byte, off int64, chance uint32) (n int, err error, done bool) {
	if f.nowait.Load() == cannot {
		return 0, nil, false
	}
	if f.score.Load() < 0 && (chance%probeEvery != 0 || f.engine.ringOnly || f.home != nil && f.home.Busy(core.Disk) > 1) {
		return 0, nil, false // the ring tells, too
	}
	return f.answered(nowait.Read(f.fd, p, off))
}

// answered handles what the page cache said.
func (f *File) answered(n int, errno syscall.Errno) (_ int, err error, done bool) {
	switch {
	case errno == 0:
		f.saw(true)
		f.engine.inline.add(1)
		f.look()
		return n, nil, true
	case errno == syscall.EAGAIN:
		f.nowait.Store(can)
		f.saw(false)
	case errno == syscall.EINTR:
	case nowait.Missing(errno) && f.nowait.Load() == unknown:
		f.nowait.Store(cannot)
	case nowait.Missing(errno):
	default:
		return 0, errno, true
	}
	return 0, nil, false
}

// saw keeps the score.
func (f *File) saw(hit bool) {
	switch s := f.score.Load(); {
	case hit && s < bestScore:
		if f.nowait.Load() == unknown {
			f.nowait.Store(can)
		}
		f.score.Store(s + 1)
	case !hit && s > worstScore:
		f.score.Store(max(s-missCost, worstScore))
	}
}

// WriteTo copies the rest of the file to w. See [io.WriterTo].
func (f *File) WriteTo(w io.Writer) (int64, error) {
	switch {
	case f == nil:
		return 0, os.ErrInvalid
	case f.kind == stream:
		return f.os.WriteTo(w)
	}
	var total int64
	b := f.engine.mem.get(copySize)
	defer f.engine.mem.put(b)
	for {
		n, err := f.Read(b.mem)
		if n > 0 {
			m, werr := w.Write(b.mem[:n])
			total += int64(m)
			if werr == nil && m < n {
				werr = io.ErrShortWrite
			}
			if werr != nil {
				return total, werr
			}
		}
		if errors.Is(err, io.EOF) {
			return total, nil
		}
		if err != nil {
			return total, err
		}
	}
}

// copySize is how much is copied at a time.
const copySize = 128 << 10
