package file

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"os"

	"github.com/uring-go/uring"
	"github.com/uring-go/uring/internal/core"
	"github.com/uring-go/uring/internal/nowait"
)

// WriteAt writes p at off. See [os.File.WriteAt].
func (f *File) WriteAt(p []byte, off int64) (int, error) {
	return f.WriteAtContext(context.Background(), p, off)
}

// WriteAtContext is WriteAt until ctx ends. A write that waits for its turn is
// then dropped, and one that was begun is finished: the count says how much was
// written.
func (f *File) WriteAtContext(ctx context.Context, p []byte, off int64) (int, error) {
	switch {
	case f != nil && f.kind == stream:
		return f.os.WriteAt(p, off)
	case f != nil && f.flags&os.O_APPEND != 0:
		return 0, f.fail("writeat", errAppend)
	case off < 0:
		return 0, f.fail("writeat", errNegativeOffset)
	}
	if err := f.begin(); err != nil {
		return 0, f.fail("write", err)
	}
	defer f.uses.end()
	if len(p) == 0 {
		return 0, nil
	}
	n, err := f.writeFull(ctx, p, off)
	return n, f.fail("write", err)
}

// writeFull writes until all of p is written.
func (f *File) writeFull(ctx context.Context, p []byte, off int64) (int, error) {
	total := 0
	for {
		at := off
		if off != atPosition {
			at += int64(total)
		}
		n, err := f.write(ctx, p[total:], at)
		total += n
		switch {
		case err != nil:
			return total, err
		case total == len(p):
			return total, nil
		case n == 0:
			return total, io.ErrUnexpectedEOF // as os has it
		}
	}
}

// Write writes p at the file's own position, or at its end with O_APPEND. See
// [os.File.Write]. Reads and writes at the position take turns.
func (f *File) Write(p []byte) (int, error) {
	if f != nil && f.kind == stream {
		return f.os.Write(p)
	}
	if err := f.begin(); err != nil {
		return 0, f.fail("write", err)
	}
	defer f.uses.end()
	f.pos.Lock()
	defer f.pos.Unlock()
	if f.direct != nil && f.flags&os.O_APPEND == 0 {
		n, err := f.moving(func(off int64) (int, error) { return f.writeFull(context.Background(), p, off) })
		return n, f.fail("write", err)
	}
	n, err := f.writeFull(context.Background(), p, atPosition)
	return n, f.fail("write", err)
}

// WriteString is Write of a string.
func (f *File) WriteString(s string) (int, error) { return f.Write([]byte(s)) }

// write writes once, in the way that seems best.
func (f *File) write(ctx context.Context, p []byte, off int64) (int, error) {
	if f.direct != nil {
		return f.writeDirect(ctx, p, off)
	}
	if n, ok := f.writeNow(p, off); ok {
		return n, nil
	}
	if f.nowait.Load() == cannot {
		if k := f.engine.quick(f.engine.hot); k != nil {
			defer k.give()
			return f.pwrite(p, off)
		}
		return f.engine.blocking(ctx, func() (int, error) { return f.pwrite(p, off) })
	}
	return f.writeWaiting(ctx, core.Worker, p, off)
}

func (f *File) writeWaiting(ctx context.Context, class core.Class, p []byte, off int64) (int, error) {
	r := f.request(class, prepWrite)
	r.Buf, r.Off = p, off
	return f.engine.carry(ctx, f, r, f.engine.writes, func() (int, error) { return f.pwrite(p, off) })
}

func prepWrite(s uring.SQE, r *core.Request) error {
	s.PrepWrite(r.FD, r.Buf, uint64(r.Off))
	return nil
}

// writeNow writes to the page cache where the file system can do that without
// waiting. Where it cannot, as ext4, it never can.
func (f *File) writeNow(p []byte, off int64) (n int, ok bool) {
	if f.writes.Load() == cannot || f.flags&syncFlags != 0 || len(p) == 0 {
		return 0, false
	}
	n, errno := nowait.Write(f.fd, p, off)
	switch {
	case errno == 0:
		f.writes.Store(can)
		f.engine.inline.add(1)
		f.look()
		return n, true
	case nowait.Missing(errno) && f.writes.Load() == unknown:
		f.writes.Store(cannot)
	}
	return 0, false
}

// ReadFrom copies r to the file, at its position. See [os.File.ReadFrom]: what
// comes from another file is copied by the kernel.
func (f *File) ReadFrom(r io.Reader) (int64, error) {
	switch {
	case f == nil:
		return 0, os.ErrInvalid
	case f.kind == stream:
		return f.os.ReadFrom(r)
	}
	limited, _ := r.(*io.LimitedReader)
	source := r
	if limited != nil {
		source = limited.R
	}
	switch source := source.(type) {
	case *os.File:
		if f.direct == nil {
			return f.copyFile(source, limited)
		}
	case *File:
		if f.direct == nil && source != nil && source != f && source.kind != stream && source.direct == nil && source.uses.begin() {
			defer source.uses.end()
			source.pos.Lock()
			defer source.pos.Unlock()
			return f.copyFile(source.os, limited)
		}
	}
	return f.copyFrom(r)
}

// copyFile lets package os copy from a file, no more than limited allows if
// there is that.
func (f *File) copyFile(source *os.File, limited *io.LimitedReader) (total int64, err error) {
	if err := f.begin(); err != nil {
		return 0, f.fail("write", err)
	}
	defer f.uses.end()
	f.pos.Lock()
	defer f.pos.Unlock()
	var r io.Reader = source
	if limited != nil {
		part := &io.LimitedReader{R: source, N: limited.N}
		defer func() { limited.N = part.N }()
		r = part
	}
	_, err = f.engine.blocking(context.Background(), func() (_ int, err error) {
		total, err = f.os.ReadFrom(r)
		return 0, err
	})
	if pe, ok := err.(*fs.PathError); ok {
		return total, pe // of either file
	}
	return total, f.fail("write", err)
}

func (f *File) copyFrom(r io.Reader) (int64, error) {
	b := f.engine.mem.get(copySize)
	defer f.engine.mem.put(b)
	var total int64
	for {
		n, err := r.Read(b.mem)
		if n > 0 {
			m, werr := f.Write(b.mem[:n])
			total += int64(m)
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
