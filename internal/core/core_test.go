//go:build linux

package core

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/uring-go/uring"
	"github.com/uring-go/uring/internal/testutil"
)

func TestMain(m *testing.M) { testutil.Main(m) }

func open(t testing.TB, c Config) *Core {
	t.Helper()
	core, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := core.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	})
	return core
}

func pipe(t testing.TB) (r, w *os.File) {
	t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close(); w.Close() })
	return r, w
}

func fd(f *os.File) uring.FD { return uring.FD(f.Fd()) }

// Each goroutine gets the bytes that it asked for, however small the queues are.
func TestRequestsOfManyGoroutines(t *testing.T) {
	name := filepath.Join(t.TempDir(), "f")
	want := make([]byte, 1<<20)
	for i := range want {
		want[i] = byte(i * 7 >> 3)
	}
	if err := os.WriteFile(name, want, 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for _, c := range []Config{{}, {Depth: 1, Ring: uring.Config{Entries: 1}}, {Depth: 3, Ring: uring.Config{Entries: 2, CQEntries: 2}}} {
		t.Run(fmt.Sprint(c.Depth), func(t *testing.T) {
			core := open(t, c)
			var wg sync.WaitGroup
			for g := range 100 {
				wg.Add(1)
				go func() {
					defer wg.Done()
					p := make([]byte, 512)
					for i := range 100 {
						off := (g*7919 + i*104729) % (len(want) - len(p))
						r := Get()
						r.Class = Disk
						if g%3 == 0 {
							r.Class = Any
						}
						r.Prep = func(s uring.SQE, r *Request) error {
							s.PrepRead(r.FD, r.Buf, uint64(r.Off))
							return nil
						}
						r.FD, r.Buf, r.Off = fd(f), p, int64(off)
						err := core.Run(context.Background(), r)
						n, _ := r.Result()
						r.Free()
						if err != nil || n != len(p) || !bytes.Equal(p, want[off:off+n]) {
							t.Errorf("read at %d: %d, %v", off, n, err)
							return
						}
					}
				}()
			}
			wg.Wait()
			s := core.Stats()
			if s.Completed != 10000 || s.Running != 0 || s.Queued != 0 {
				t.Errorf("%+v", s)
			}
			if limit := c.Depth; limit > 0 && s.Peak > limit+34 {
				t.Errorf("%d requests in the kernel at once", s.Peak)
			}
		})
	}
}

// The limit of a class holds for what the kernel has, and requests without a
// limit pass those that wait.
func TestLimitOfAClass(t *testing.T) {
	core := open(t, Config{Depth: 2})
	r, w := pipe(t)
	var wg sync.WaitGroup
	var got atomic.Int32
	for range 10 {
		wg.Add(1)
		go func() {
			defer wg.Done()
			req := Get()
			req.Class, req.FD, req.Buf = Disk, fd(r), make([]byte, 1)
			req.Prep = func(s uring.SQE, r *Request) error {
				s.PrepRead(r.FD, r.Buf, uring.CurrentOffset)
				return nil
			}
			if err := core.Run(context.Background(), req); err != nil {
				t.Error(err)
			}
			got.Add(req.CQE.Res)
			req.Free()
		}()
	}
	wait(t, "8 wait", func() bool { s := core.Stats(); return s.Running == 2 && s.Queued == 8 })
	if _, err := core.Do(context.Background(), func(s uring.SQE) error { s.PrepNop(); return nil }); err != nil {
		t.Error(err)
	}
	if _, err := w.Write(make([]byte, 10)); err != nil {
		t.Fatal(err)
	}
	wg.Wait()
	if got.Load() != 10 {
		t.Errorf("%d bytes", got.Load())
	}
}

func wait(t testing.TB, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(2 * time.Minute); !ok(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("never: %s", what)
		}
	}
}

func TestDoReturnsTheResult(t *testing.T) {
	core := open(t, Config{})
	r, w := pipe(t)
	p := make([]byte, 10)
	go w.Write([]byte("hello"))
	cqe, err := core.Do(context.Background(), func(s uring.SQE) error {
		s.PrepRead(fd(r), p, uring.CurrentOffset)
		s.UserData = 77 // not for it to say
		return nil
	})
	if err != nil || cqe.Res != 5 || cqe.UserData != 0 || string(p[:5]) != "hello" {
		t.Errorf("%v, %v, %q", cqe, err, p)
	}
	_, err = core.Do(context.Background(), func(s uring.SQE) error { s.PrepRead(-1, p, 0); return nil })
	if err != syscall.EBADF {
		t.Errorf("read of a bad descriptor: %v", err)
	}
	bad := errors.New("bad")
	if _, err = core.Do(context.Background(), func(uring.SQE) error { return bad }); err != bad {
		t.Errorf("error of fill: %v", err)
	}
}

// What could touch requests of others is refused, and others go on.
func TestDoRefuses(t *testing.T) {
	core := open(t, Config{})
	r, w := pipe(t)
	p := make([]byte, 1)
	done := make(chan error)
	go func() {
		_, err := core.Do(context.Background(), func(s uring.SQE) error {
			s.PrepRead(fd(r), p, uring.CurrentOffset)
			return nil
		})
		done <- err
	}()
	wait(t, "the read runs", func() bool { return core.Stats().Running == 1 })
	for _, c := range []struct {
		name string
		fill func(uring.SQE) error
		want string
	}{
		{"link", func(s uring.SQE) error { s.PrepNop(); return s.SetFlags(uring.Link) }, "Link"},
		{"hard link", func(s uring.SQE) error { s.PrepNop(); return s.SetFlags(uring.HardLink) }, "Link"},
		{"drain", func(s uring.SQE) error { s.PrepNop(); return s.SetFlags(uring.Drain) }, "Drain"},
		{"skip", func(s uring.SQE) error { s.PrepNop(); return s.SetFlags(uring.SkipSuccess) }, "SkipSuccess"},
		{"error not returned", func(s uring.SQE) error { _ = s.PrepOpenat(0, "a\x00b", 0, 0); return nil }, "refused"},
		{"cancel", func(s uring.SQE) error { s.PrepCancel(0, uring.CancelAny|uring.CancelAll); return nil }, "OpAsyncCancel"},
		{"cancel by descriptor", func(s uring.SQE) error { s.PrepCancelFD(fd(r), uring.CancelAll); return nil }, "OpAsyncCancel"},
		{"remove a poll", func(s uring.SQE) error { s.PrepPollRemove(1); return nil }, "OpPollRemove"},
		{"remove a timeout", func(s uring.SQE) error { s.PrepTimeoutRemove(1); return nil }, "OpTimeoutRemove"},
		{"link timeout", func(s uring.SQE) error { s.PrepLinkTimeout(time.Second, 0); return nil }, "OpLinkTimeout"},
		{"accept multishot", func(s uring.SQE) error { s.PrepAcceptMultishot(fd(r), 0); return nil }, "multishot"},
		{"poll multishot", func(s uring.SQE) error { s.PrepPollAddMultishot(fd(r), 1); return nil }, "multishot"},
	} {
		if _, err := core.Do(context.Background(), c.fill); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v", c.name, err)
		}
	}
	func() {
		defer func() {
			if v := recover(); v == nil || !strings.Contains(fmt.Sprint(v), "ouch") {
				t.Errorf("recovered %v", v)
			}
		}()
		core.Do(context.Background(), func(uring.SQE) error { panic("ouch") })
	}()
	select {
	case err := <-done:
		t.Fatalf("the read ended: %v", err)
	default:
	}
	w.Write(p)
	if err := <-done; err != nil {
		t.Error(err)
	}
}

// A panic reaches the one whose function it is, not the one who leads.
func TestPanicsReachTheirOwn(t *testing.T) {
	core := open(t, Config{})
	var wg sync.WaitGroup
	var panics atomic.Int32
	for g := range 32 {
		wg.Add(1)
		go func() {
			defer wg.Done()
			defer func() {
				if recover() != nil {
					panics.Add(1)
				}
			}()
			for range 200 {
				_, err := core.Do(context.Background(), func(s uring.SQE) error { s.PrepNop(); return nil })
				if err != nil {
					t.Error(err)
				}
			}
			if g%2 == 0 {
				core.Do(context.Background(), func(uring.SQE) error { panic(g) })
			}
		}()
	}
	wg.Wait()
	if panics.Load() != 16 {
		t.Errorf("%d panics", panics.Load())
	}
}

// When a context ends, what waits in the kernel is cancelled and what waits for
// its turn is dropped; nobody else notices.
func TestContexts(t *testing.T) {
	core := open(t, Config{Depth: 2})
	r, w := pipe(t)
	prep := func(s uring.SQE, r *Request) error {
		s.PrepRead(r.FD, r.Buf, uring.CurrentOffset)
		return nil
	}
	read := func(ctx context.Context) error {
		req := Get()
		req.Class, req.FD, req.Buf, req.Prep = Disk, fd(r), make([]byte, 1), prep
		err := core.Run(ctx, req)
		if err == nil {
			_, err = req.Result()
		}
		req.Free()
		return err
	}
	ended, end := context.WithCancel(context.Background())
	end()
	if err := read(ended); err != context.Canceled {
		t.Errorf("with a context that has ended: %v", err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	errs, stay := make(chan error, 10), make(chan error, 2)
	for range 2 {
		go func() { stay <- read(context.Background()) }()
	}
	wait(t, "two run", func() bool { return core.Stats().Running == 2 })
	for range 8 {
		go func() { errs <- read(ctx) }()
	}
	wait(t, "8 wait", func() bool { return core.Stats().Queued == 8 })
	cancel()
	for range 8 {
		if err := <-errs; err != context.Canceled {
			t.Errorf("queued: %v", err)
		}
	}
	w.Write(make([]byte, 2))
	for range 2 {
		if err := <-stay; err != nil {
			t.Errorf("without a context: %v", err)
		}
	}
	ctx, cancel = context.WithTimeout(context.Background(), 20*time.Millisecond)
	defer cancel()
	if err := read(ctx); err != context.DeadlineExceeded {
		t.Errorf("running: %v", err)
	}
	// The byte is nobody's yet: the request that was cancelled took none.
	w.Write(make([]byte, 1))
	if err := read(context.Background()); err != nil {
		t.Error(err)
	}
}

// Whoever leaves a request gets its memory back once the kernel has let go of
// it, and not before.
func TestLeaving(t *testing.T) {
	core := open(t, Config{})
	r, w := pipe(t)
	const tries = 200
	var gone atomic.Int32
	left := 0
	for i := range tries {
		ctx, cancel := context.WithTimeout(context.Background(), time.Duration(i%5)*100*time.Microsecond)
		req := Get()
		req.Class, req.FD, req.Buf = Disk, fd(r), make([]byte, 1)
		req.Prep = func(s uring.SQE, r *Request) error {
			s.PrepRead(r.FD, r.Buf, uring.CurrentOffset)
			return nil
		}
		if i%3 == 0 {
			go w.Write([]byte{1})
		}
		l, err := core.RunOrLeave(ctx, req, func() { gone.Add(1) })
		if l {
			left++
			if err == nil {
				t.Error("left without an error")
			}
		} else {
			req.Free()
		}
		cancel()
	}
	if left == 0 {
		t.Error("none was left")
	}
	wait(t, "all are gone", func() bool { return int(gone.Load()) == left })
}

// A request whose completions bring an error of a thread that ended is carried
// out again, unless that goes on for ever.
func TestAgain(t *testing.T) {
	for _, errno := range []syscall.Errno{syscall.EFAULT, syscall.ECANCELED, syscall.EINTR} {
		faults := 0
		core := open(t, Config{Inject: func(_ *Request, c uring.CQE) uring.CQE {
			if faults > 0 {
				faults--
				c.Res = -int32(errno)
			}
			return c
		}})
		nop := func() error {
			_, err := core.Do(context.Background(), func(s uring.SQE) error { s.PrepNop(); return nil })
			return err
		}
		faults = 3
		if err := nop(); err != nil || faults != 0 {
			t.Errorf("%v three times: %v", errno, err)
		}
		if errno == syscall.EFAULT {
			faults = 1000
			if err := nop(); err != errno {
				t.Errorf("%v for ever: %v", errno, err)
			}
		}
	}
}

// Threads end, with requests on their way that they submitted.
func TestThreadsThatEnd(t *testing.T) {
	core := open(t, Config{})
	r, w := pipe(t)
	var wg sync.WaitGroup
	var got atomic.Int32
	for range 300 {
		wg.Add(1)
		go func() {
			defer wg.Done()
			runtime.LockOSThread() // ends with the goroutine
			ready := make(chan struct{})
			go func() {
				defer wg.Done()
				<-ready
				p := make([]byte, 1)
				_, err := core.Do(context.Background(), func(s uring.SQE) error {
					s.PrepRead(fd(r), p, uring.CurrentOffset)
					return nil
				})
				if err != nil {
					t.Error(err)
				}
				got.Add(1)
			}()
			wg.Add(1)
			close(ready)
			// Leads now and then, and so submits what others wait for.
			_, err := core.Do(context.Background(), func(s uring.SQE) error { s.PrepNop(); return nil })
			if err != nil {
				t.Error(err)
			}
		}()
	}
	time.Sleep(50 * time.Millisecond)
	for range 300 {
		w.Write([]byte{1})
	}
	wg.Wait()
	if got.Load() != 300 {
		t.Errorf("%d reads", got.Load())
	}
}

// Close cancels what may wait for ever, waits for files, and loses no answer.
func TestClose(t *testing.T) {
	core, err := New(Config{Depth: 1})
	if err != nil {
		t.Fatal(err)
	}
	r, w := pipe(t)
	const waiting = 50
	errs := waitForEver(core, fd(r), waiting)
	r2, w2 := pipe(t)
	disk := make(chan int32, 3)
	for range 3 { // one runs, two are queued
		go func() {
			req := Get()
			req.Class, req.FD, req.Buf = Disk, fd(r2), make([]byte, 1)
			req.Prep = func(s uring.SQE, r *Request) error {
				s.PrepRead(r.FD, r.Buf, uring.CurrentOffset)
				return nil
			}
			if err := core.Run(context.Background(), req); err != nil {
				t.Error(err)
			}
			disk <- req.CQE.Res
		}()
	}
	wait(t, "all are there", func() bool { s := core.Stats(); return s.Running == waiting+1 && s.Queued == 2 })
	closed := make(chan error)
	go func() { closed <- core.Close() }()
	for range waiting {
		if err := <-errs; err != uring.ErrClosed {
			t.Errorf("waited for ever: %v", err)
		}
	}
	select {
	case <-closed:
		t.Fatal("closed with reads of a disk on their way")
	case <-time.After(20 * time.Millisecond):
	}
	w2.Write(make([]byte, 3))
	for range 3 {
		if res := <-disk; res != 1 {
			t.Errorf("read of a disk: %d", res)
		}
	}
	if err := <-closed; err != nil {
		t.Error(err)
	}
	if err := core.Close(); err != nil {
		t.Error(err)
	}
	_, err = core.Do(context.Background(), func(s uring.SQE) error { s.PrepNop(); return nil })
	if err != uring.ErrClosed {
		t.Errorf("after Close: %v", err)
	}
	w.Close()
}

// waitForEver has n goroutines read from an empty pipe. Their errors come later.
func waitForEver(core *Core, pipe uring.FD, n int) <-chan error {
	errs := make(chan error, n)
	for range n {
		go func() {
			p := make([]byte, 1)
			_, err := core.Do(context.Background(), func(s uring.SQE) error {
				s.PrepRead(pipe, p, uring.CurrentOffset)
				return nil
			})
			errs <- err
		}()
	}
	return errs
}

// Close at any moment: every call returns.
func TestCloseUnderLoad(t *testing.T) {
	for i := range 30 {
		core, err := New(Config{Depth: 4, OwnThread: i%2 == 1})
		if err != nil {
			t.Fatal(err)
		}
		var wg sync.WaitGroup
		for range 20 {
			wg.Add(1)
			go func() {
				defer wg.Done()
				for {
					_, err := core.Do(context.Background(), func(s uring.SQE) error { s.PrepTimeout(time.Millisecond, 0, 0); return nil })
					if err == uring.ErrClosed {
						return
					}
					if err != syscall.ETIME {
						t.Error(err)
						return
					}
				}
			}()
		}
		time.Sleep(time.Duration(i) * 100 * time.Microsecond)
		if err := core.Close(); err != nil {
			t.Error(err)
		}
		wg.Wait()
	}
}

// A request allocates nothing.
func TestRequestsAllocateNothing(t *testing.T) {
	if raceOn {
		t.Skip("the race detector makes pools forget")
	}
	core := open(t, Config{})
	ctx := context.Background()
	prep := func(s uring.SQE, r *Request) error { s.PrepNop(); return nil }
	n := testing.AllocsPerRun(1000, func() {
		r := Get()
		r.Prep = prep
		if err := core.Run(ctx, r); err != nil {
			t.Fatal(err)
		}
		r.Free()
	})
	if n >= 1 {
		t.Errorf("%v allocations", n)
	}
}

// A core with a thread of its own does the same, and no other thread submits.
func TestOwnThread(t *testing.T) {
	others := workers(t) // of earlier tests: kernels keep them for a while
	core := open(t, Config{OwnThread: true, Workers: 4})
	r, w := pipe(t)
	prep := func(s uring.SQE, r *Request) error {
		s.PrepRead(r.FD, r.Buf, uring.CurrentOffset)
		return s.SetFlags(uring.Async) // takes a worker
	}
	var wg sync.WaitGroup
	ctx, cancel := context.WithCancel(context.Background())
	for g := range 100 {
		wg.Add(1)
		go func() {
			defer wg.Done()
			req := Get()
			req.Class, req.FD, req.Buf, req.Prep = Worker, fd(r), make([]byte, 1), prep
			err := core.Run(ctx, req)
			if err == nil {
				_, err = req.Result()
			}
			if err != nil && err != context.Canceled {
				t.Errorf("%d: %v", g, err)
			}
			req.Free()
		}()
	}
	wait(t, "4 run", func() bool { s := core.Stats(); return s.Running == 4 && s.Queued == 96 })
	if n := workers(t) - others; n > 4 {
		t.Errorf("%d workers", n)
	}
	w.Write(make([]byte, 50))
	wait(t, "50 are over", func() bool { s := core.Stats(); return s.Completed >= 50 })
	cancel()
	wg.Wait()
	for range 1000 {
		if _, err := core.Do(context.Background(), func(s uring.SQE) error { s.PrepNop(); return nil }); err != nil {
			t.Fatal(err)
		}
	}
}

// workers counts the kernel's worker threads of this process.
func workers(t *testing.T) (n int) {
	tasks, err := filepath.Glob("/proc/self/task/*/comm")
	if err != nil {
		t.Fatal(err)
	}
	for _, task := range tasks {
		name, _ := os.ReadFile(task)
		if strings.HasPrefix(string(name), "iou-wrk") {
			n++
		}
	}
	return n
}

func TestZeroCopySend(t *testing.T) {
	testutil.Need(t, uring.HaveSendZC)
	core := open(t, Config{})
	client, server := testutil.TCPPair(t)
	want := bytes.Repeat([]byte("zero"), 1000)
	cqe, err := core.Do(context.Background(), func(s uring.SQE) error {
		return s.PrepSendZC(uring.FD(client), want, 0, 0)
	})
	if err != nil || int(cqe.Res) != len(want) || cqe.Notif() {
		t.Fatalf("%v, %v", cqe, err)
	}
	got := make([]byte, len(want))
	cqe, err = core.Do(context.Background(), func(s uring.SQE) error {
		s.PrepRecv(uring.FD(server), got, syscall.MSG_WAITALL)
		return nil
	})
	if err != nil || int(cqe.Res) != len(want) || !bytes.Equal(got, want) {
		t.Errorf("received %v, %v", cqe, err)
	}
}

func BenchmarkNop(b *testing.B) {
	core := open(b, Config{})
	ctx := context.Background()
	prep := func(s uring.SQE, r *Request) error { s.PrepNop(); return nil }
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			r := Get()
			r.Prep = prep
			core.Run(ctx, r)
			r.Free()
		}
	})
}
