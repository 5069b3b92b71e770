package file

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"sync/atomic"
	"syscall"

	"github.com/uring-go/uring"
	"github.com/uring-go/uring/internal/core"
)

// A Buf is memory of an engine with bytes of a file. Release it when done.
type Buf struct {
	memory *memory
	block  *block
	n      int
	gone   atomic.Bool
}

// Bytes returns what was read. It must not be touched after Release.
func (b *Buf) Bytes() []byte { return b.block.mem[:b.n] }

// Release gives the memory back. A second Release does nothing.
func (b *Buf) Release() {
	if b.gone.CompareAndSwap(false, true) {
		b.memory.put(b.block)
	}
}

// ReadBuf reads n bytes at off, fewer only at the end of the file, into memory
// of the engine, which is aligned for direct I/O and registered with the ring:
// that saves the kernel some work. At the end of the file the error is
// [io.EOF]. The caller releases the buffer, and gets one only without an error.
//
// When ctx ends, ReadBuf returns at once, even if a disk hangs: the engine keeps
// the buffer until the kernel is done with it.
func (f *File) ReadBuf(ctx context.Context, n int, off int64) (*Buf, error) {
	switch {
	case n <= 0 || n > 1<<30:
		return nil, f.fail("read", fmt.Errorf("ReadBuf of %d bytes, want 1 to %d: %w", n, 1<<30, syscall.EINVAL))
	case off < 0:
		return nil, f.fail("readat", errNegativeOffset)
	case f != nil && f.kind == directory:
		return nil, f.fail("read", syscall.EISDIR)
	}
	if err := f.begin(); err != nil {
		return nil, f.fail("read", err)
	}
	if err := ctx.Err(); err != nil {
		f.uses.end()
		return nil, f.fail("read", err)
	}
	room := n
	if f.direct != nil {
		room = roundUp(n, f.direct.offset)
	}
	b := f.engine.mem.get(room)
	got, left, err := f.readBlock(ctx, b, n, off)
	if left {
		return nil, f.fail("read", err)
	}
	f.uses.end()
	if err == nil && got == 0 {
		err = io.EOF
	} else if err != nil {
		err = f.fail("read", err)
	}
	if err != nil {
		f.engine.mem.put(b)
		return nil, err
	}
	return &Buf{memory: &f.engine.mem, block: b, n: min(got, n)}, nil
}

// readBlock fills n bytes of a block. If it had to leave a request behind, that
// gives the block back, and ends the use of the file.
func (f *File) readBlock(ctx context.Context, b *block, n int, off int64) (total int, left bool, err error) {
	if f.direct != nil && !f.direct.whole(off) {
		err := fmt.Errorf("with O_DIRECT the offset of ReadBuf must be a multiple of %d, not %d: %w", f.direct.offset, off, syscall.EINVAL)
		return 0, false, err
	}
	for total < n {
		p := b.mem[total:n]
		if f.direct != nil {
			p = b.mem[total:]
		}
		var m int
		m, left, err = f.readPart(ctx, b, p, off+int64(total))
		total += m
		if left || err != nil || m == 0 {
			break
		}
		if f.direct != nil && !f.direct.whole(int64(total)) {
			break // the end of the file
		}
	}
	return total, left, err
}

// readPart reads once into a block.
func (f *File) readPart(ctx context.Context, b *block, p []byte, off int64) (n int, left bool, err error) {
	patient := ctx.Done() == nil
	if f.direct == nil {
		if n, err, done := f.readNow(p, off, rand.Uint32()); done {
			return n, false, err
		}
	}
	switch {
	case patient && !b.registered():
		n, err = f.read(ctx, p, off)
		return n, false, err
	case f.home == nil || f.nowait.Load() == cannot:
		return f.readAside(ctx, b, p, off)
	case patient && f.home.Busy(core.Disk) <= 1:
		if k := f.engine.reads.take(); k != nil {
			defer k.give()
			f.engine.plain.add(1)
			n, err = f.pread(p, off)
			return n, false, err
		}
	}
	r := f.request(core.Disk, prepRead)
	r.Buf, r.Off, r.Hold = p, off, b
	c, number := f.ring()
	if reg, ok := b.reg(number); ok {
		r.Prep, r.Reg = prepReadFixed, reg
	}
	if left, err = c.RunOrLeave(ctx, r, f.cleanUp(r, b)); left {
		return 0, true, err
	}
	n, err = r.Result()
	if f.direct == nil && err == nil {
		f.saw(r.AtOnce)
	}
	r.Free()
	if err != nil && ctx.Err() == nil && plainMayTell(err) {
		return f.readAside(ctx, b, p, off)
	}
	return n, false, closedAsFS(err)
}

// cleanUp returns what to do when a request is over that was left behind.
func (f *File) cleanUp(r *core.Request, b *block) func() {
	return func() {
		r.Free()
		f.engine.mem.put(b)
		f.uses.end()
	}
}

// readAside reads by a plain call, in a goroutine that may be left behind.
func (f *File) readAside(ctx context.Context, b *block, p []byte, off int64) (int, bool, error) {
	if ctx.Done() == nil {
		n, err := f.engine.blocking(ctx, func() (int, error) { return f.pread(p, off) })
		return n, false, err
	}
	var n int
	var err error
	var settled atomic.Bool // by the one who is first to have nothing to wait for
	done := make(chan struct{})
	go func() {
		n, err = f.engine.blocking(ctx, func() (int, error) { return f.pread(p, off) })
		if settled.CompareAndSwap(false, true) {
			close(done)
			return
		}
		f.engine.mem.put(b)
		f.uses.end()
	}()
	select {
	case <-done:
		return n, false, err
	case <-ctx.Done():
	}
	if settled.CompareAndSwap(false, true) {
		return 0, true, ctx.Err()
	}
	<-done
	return n, false, err
}

func prepReadFixed(s uring.SQE, r *core.Request) error {
	return s.PrepReadFixed(r.FD, r.Reg, r.Buf, uint64(r.Off))
}
