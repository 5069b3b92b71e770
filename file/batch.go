package file

import (
	"context"
	"io"
	"math/rand/v2"
	"sync"

	"github.com/uring-go/uring"
	"github.com/uring-go/uring/internal/core"
)

// A Part is one part of a batch: what to read or write at an offset, and what
// came of it.
type Part struct {
	Buf []byte
	Off int64
	N   int   // bytes read or written
	Err error // io.EOF too, as ReadAt has it
}

// ReadBatch reads many parts of the file at once, and returns the first of
// their errors. The parts are filled in any order, and must not overlap.
func (f *File) ReadBatch(parts []Part) error {
	return f.ReadBatchContext(context.Background(), parts)
}

// ReadBatchContext is ReadBatch until ctx ends, see [File.ReadAtContext].
func (f *File) ReadBatchContext(ctx context.Context, parts []Part) error {
	b := batch{file: f, op: "read", prep: prepRead}
	return b.run(ctx, parts, f.ReadAtContext)
}

// WriteBatch writes many parts of the file at once, and returns the first of
// their errors. The parts are written in any order.
func (f *File) WriteBatch(parts []Part) error {
	return f.WriteBatchContext(context.Background(), parts)
}

// WriteBatchContext is WriteBatch until ctx ends, see [File.WriteAtContext].
func (f *File) WriteBatchContext(ctx context.Context, parts []Part) error {
	b := batch{file: f, op: "write", prep: prepWrite, write: true}
	return b.run(ctx, parts, f.WriteAtContext)
}

// A batch is what parts are carried out with.
type batch struct {
	file  *File
	op    string
	prep  func(uring.SQE, *core.Request) error
	write bool
}

// run carries out the parts: those that the ring is good for all together, the
// others by one, a call for a single part.
func (b *batch) run(ctx context.Context, parts []Part, one func(context.Context, []byte, int64) (int, error)) error {
	f := b.file
	if err := f.begin(); err != nil {
		return b.refuse(parts, err)
	}
	defer f.uses.end()
	var list []*core.Request
	for i := range parts {
		p := &parts[i]
		p.N, p.Err = 0, nil
		if r := b.request(p); r != nil {
			r.Hold = p
			list = append(list, r)
		}
	}
	if len(list) == 1 { // as fast as it gets
		p := list[0].Hold.(*Part)
		list[0].Free()
		list = nil
		b.finish(p, func() (int, error) { return one(ctx, p.Buf[p.N:], p.Off+int64(p.N)) })
	}
	for len(list) > 0 {
		c, _ := f.ring()
		c.RunAll(ctx, list)
		list = b.results(ctx, list, one)
	}
	b.rest(ctx, parts, one)
	for i := range parts {
		if parts[i].Err != nil {
			return parts[i].Err
		}
	}
	return nil
}

// refuse gives every part the error.
func (b *batch) refuse(parts []Part, err error) error {
	err = b.file.fail(b.op, err)
	for i := range parts {
		parts[i].N, parts[i].Err = 0, err
	}
	return err
}

// later marks parts that the ring is not good for.
type later struct{}

func (later) Error() string { return "to be carried out by itself" }

// request returns a request for the ring, or nil if the part is done, wrong, or
// better carried out by itself.
func (b *batch) request(p *Part) *core.Request {
	f := b.file
	if p.Off < 0 || f.kind != regular || f.home == nil || f.nowait.Load() == cannot || b.write && f.direct == nil {
		// A buffered write is copied to the page cache: a worker of the kernel's
		// does that no faster.
		p.Err = later{}
		return nil
	}
	if a := f.direct; a != nil && (!a.whole(p.Off) || !a.whole(int64(len(p.Buf))) || !a.aligned(p.Buf)) {
		p.Err = later{}
		return nil
	}
	if len(p.Buf) == 0 {
		return nil
	}
	if f.direct == nil {
		n, err, done := f.readNow(p.Buf, p.Off, rand.Uint32())
		switch {
		case done && err != nil:
			p.Err = f.fail(b.op, err)
			return nil
		case done && n == 0:
			p.Err = io.EOF
			return nil
		case done && n == len(p.Buf):
			p.N = n
			return nil
		case done:
			p.N = n // the rest is not there yet
		case f.nowait.Load() == cannot:
			p.Err = later{}
			return nil
		}
	}
	return b.remaining(p)
}

// remaining returns a request for what is left of a part.
func (b *batch) remaining(p *Part) *core.Request {
	r := b.file.request(core.Disk, b.prep)
	r.Buf, r.Off = p.Buf[p.N:], p.Off+int64(p.N)
	return r
}

// results notes what came of requests, and returns those that go on after a
// short read or write.
func (b *batch) results(ctx context.Context, list []*core.Request, one func(context.Context, []byte, int64) (int, error)) []*core.Request {
	f := b.file
	more := list[:0]
	for _, r := range list {
		p := r.Hold.(*Part)
		n, err := r.Result()
		if err == nil && f.direct == nil {
			f.saw(r.AtOnce)
		}
		p.N += n
		switch {
		case err != nil && ctx.Err() == nil && plainMayTell(err):
			b.finish(p, func() (int, error) { return one(ctx, p.Buf[p.N:], p.Off+int64(p.N)) })
		case err != nil:
			p.Err = f.fail(b.op, closedAsFS(err))
		case n == 0 && b.write:
			p.Err = f.fail(b.op, io.ErrUnexpectedEOF)
		case n == 0:
			p.Err = io.EOF
		case p.N < len(p.Buf) && f.direct != nil && !f.direct.whole(int64(p.N)):
			// The end of the file. For the rest, direct I/O is not good.
			b.finish(p, func() (int, error) { return one(ctx, p.Buf[p.N:], p.Off+int64(p.N)) })
		case p.N < len(p.Buf):
			next := b.remaining(p)
			next.Hold = p
			more = append(more, next)
		}
		r.Free()
	}
	return more
}

// finish carries out what is left of a part by a call.
func (b *batch) finish(p *Part, call func() (int, error)) {
	n, err := call()
	p.N += n
	p.Err = err
}

// rest carries out the parts that the ring is not good for: reads that may
// block threads at the same time, as far as the engine allows.
func (b *batch) rest(ctx context.Context, parts []Part, one func(context.Context, []byte, int64) (int, error)) {
	var wg sync.WaitGroup
	aside := 0
	for i := range parts {
		p := &parts[i]
		if p.Err != (later{}) {
			continue
		}
		p.Err = nil
		call := func() (int, error) { return one(ctx, p.Buf, p.Off) }
		if b.write || aside == mostAside {
			b.finish(p, call)
			continue
		}
		aside++
		wg.Add(1)
		go func() {
			defer wg.Done()
			b.finish(p, call)
		}()
	}
	wg.Wait()
}

// mostAside is how many goroutines carry out parts of one batch.
const mostAside = 64
