//go:build linux

package file

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"
)

// slow returns a file whose reads wait until the test writes: a pipe that the
// engine takes for a file.
func slow(t *testing.T, e *Engine) (f *File, w *os.File) {
	t.Helper()
	r, w, err := os.Pipe()
	must(t, err)
	r.Fd() // so that reads wait
	f, err = e.Wrap(r)
	must(t, err)
	f.kind = regular
	f.nowait.Store(can)
	f.score.Store(-1 << 30)
	t.Cleanup(func() { w.Close(); f.Close() })
	return f, w
}

// Reads that wait for their turn are dropped when their context ends.
func TestQueuedReadsAreDropped(t *testing.T) {
	e := start(t, Config{ringOnly: true, Depth: 2})
	f, w := slow(t, e)
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	for range 2 {
		wg.Add(1)
		go func() {
			defer wg.Done()
			if n, err := f.ReadAt(make([]byte, 1), 0); n != 1 || err != nil {
				t.Errorf("the one that has the disk: %d, %v", n, err)
			}
		}()
	}
	wait(t, "two run", func() bool { return e.Stats().Running == 2 })
	errs := make(chan error, 100)
	for range 50 {
		go func() { errs <- second(f.ReadAtContext(ctx, make([]byte, 1), 0)) }()
		go func() { errs <- second(f.ReadBuf(ctx, 1, 0)) }()
	}
	wait(t, "100 wait", func() bool { return e.Stats().Queued == 100 })
	cancel()
	for range 100 {
		var pe *fs.PathError
		if err := <-errs; !errors.Is(err, context.Canceled) || !errors.As(err, &pe) {
			t.Errorf("%#v", err)
		}
	}
	_, err := w.Write(make([]byte, 2))
	must(t, err)
	wg.Wait()
}

// Where a plain call is all there is, reads wait for a thread, and that wait
// ends too; ReadBuf leaves even a call behind that does not return.
func TestContextsWithoutARing(t *testing.T) {
	e := start(t, Config{NoRing: true, Threads: 1})
	r, w, err := os.Pipe()
	must(t, err)
	r.Fd()
	f, err := e.Wrap(r)
	must(t, err)
	f.kind = regular
	f.nowait.Store(cannot) // all plain
	e.hot = nil
	// pread of a pipe fails at once, so the thread is taken by hand.
	must(t, e.gate.enter(context.Background()))
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Millisecond)
	defer cancel()
	if _, err := f.ReadAtContext(ctx, make([]byte, 1), 0); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("ReadAtContext: %v", err)
	}
	if _, err := f.ReadBuf(ctx, 1, 0); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("ReadBuf: %v", err)
	}
	e.gate.leave()
	wait(t, "nothing is lent", func() bool { return e.Stats().Lent == 0 })
	w.Close()
	must(t, f.Close())
}

// ReadBuf returns when its context ends, and the buffer goes back when the
// kernel is done with it.
func TestReadBufLeavesTheKernelBehind(t *testing.T) {
	e := start(t, Config{ringOnly: true})
	f, _ := slow(t, e)
	var wg sync.WaitGroup
	for range 20 {
		wg.Add(1)
		go func() {
			defer wg.Done()
			for range 100 {
				ctx, cancel := context.WithTimeout(context.Background(), time.Millisecond)
				b, err := f.ReadBuf(ctx, 5000, 0)
				if b != nil || !errors.Is(err, context.DeadlineExceeded) {
					t.Error(err)
				}
				cancel()
			}
		}()
	}
	wg.Wait()
	wait(t, "all buffers are back", func() bool { return e.Stats().Lent == 0 })
	// 2,000 buffers of 8 KiB, of which 20 and a few that the kernel still has are in
	// use at once.
	if n := len(e.mem.slabs); n > 4 {
		t.Errorf("%d slabs", n)
	}
}

// Close of an engine and of files waits for requests, and stops what runs in
// the background.
func TestCloseWaits(t *testing.T) {
	needRing(t)
	e, err := New(Config{ringOnly: true, Depth: 1})
	must(t, err)
	f, w := slow(t, e)
	results := make(chan error, 3)
	for range 3 {
		go func() { results <- second(f.ReadAt(make([]byte, 1), 0)) }()
	}
	wait(t, "one runs, two wait", func() bool { s := e.Stats(); return s.Running == 1 && s.Queued == 2 })
	closed := make(chan error, 2)
	go func() { closed <- f.Close() }()
	go func() { closed <- e.Close() }()
	wait(t, "the engine is closing", e.closed.Load)
	if _, err := f.ReadAt(make([]byte, 1), 0); !errors.Is(err, fs.ErrClosed) {
		t.Errorf("a read after Close: %v", err)
	}
	select {
	case <-closed:
		t.Error("closed while requests run")
	case <-time.After(20 * time.Millisecond):
	}
	_, err = w.Write(make([]byte, 3))
	must(t, err)
	for range 3 {
		if err := <-results; err != nil {
			t.Error(err)
		}
	}
	must(t, <-closed)
	must(t, <-closed)
	if _, err := e.Open("/"); !errors.Is(err, fs.ErrClosed) {
		t.Errorf("Open after Close: %v", err)
	}
	must(t, e.Close())
	wait(t, "no goroutine is left", func() bool {
		buf := make([]byte, 1<<20)
		return !strings.Contains(string(buf[:runtime.Stack(buf, true)]), "internal/core.(*Core).collect")
	})
}

// A buffer may be kept beyond the engine.
func TestBuffersOutliveTheEngine(t *testing.T) {
	e, err := New(Config{})
	must(t, err)
	name, want := written(t, 10_000)
	f, err := e.Open(name)
	must(t, err)
	b, err := f.ReadBuf(context.Background(), 10_000, 0)
	must(t, err)
	must(t, e.Close())
	if string(b.Bytes()) != string(want) {
		t.Error("wrong bytes")
	}
	b.Release()
	b.Release()
	must(t, f.Close())
}

// More memory than there is registered works too.
func TestMemoryBeyondTheLimit(t *testing.T) {
	e := start(t, Config{Memory: 1 << 20})
	name, want := written(t, 3<<20)
	f := opened(t, e, name, os.O_RDONLY)
	var bufs []*Buf
	for range 10 {
		for _, n := range []int{1, 4096, 4097, 1 << 20, 1<<20 + 1, 3 << 20} {
			b, err := f.ReadBuf(t.Context(), n, 0)
			must(t, err)
			if string(b.Bytes()) != string(want[:n]) {
				t.Errorf("%d bytes differ", n)
			}
			bufs = append(bufs, b)
		}
	}
	for _, b := range bufs {
		b.Release()
	}
}
