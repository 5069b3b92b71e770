//go:build linux && cgo

package cgo

import (
	"math"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"slices"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
	"unsafe"

	"github.com/uring-go/uring/internal/testutil"
)

// While the kernel copies for many milliseconds in one call, garbage collection
// waits for it no longer than if C made the call. That holds for the first
// call, too, which takes the longest if the memory is fresh.
func TestLongCallsLetTheWorldStop(t *testing.T) {
	const size = 1 << 20
	fd := cachedFile(t, size)
	read := func(r *Ring, buf []byte) {
		*r.NextSQE() = SQE{Opcode: OpRead, FD: int32(fd), Addr: uint64(uintptr(unsafe.Pointer(&buf[0]))), Len: size}
	}
	touched := make([]byte, size)
	for name, test := range map[string]struct {
		reads uint32
		queue func(r *Ring, reads uint32) (done func())
	}{
		"into memory in use": {400, func(r *Ring, reads uint32) func() {
			for range reads {
				read(r, touched)
			}
			return func() {}
		}},
		"into fresh memory": {64, func(r *Ring, reads uint32) func() {
			mem, err := syscall.Mmap(-1, 0, int(reads)*size, syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_PRIVATE|syscall.MAP_ANON)
			if err != nil {
				panic(err)
			}
			for i := range reads {
				read(r, mem[i*size:][:size])
			}
			return func() { _ = syscall.Munmap(mem) }
		}},
	} {
		t.Run(name, func(t *testing.T) {
			if testing.Short() { // an emulated machine copies slowly
				test.reads /= 8
			}
			r := enterRing(t, test.reads, 0)
			turn := func(submit func() int) {
				done := test.queue(r, test.reads)
				if n := submit(); n != int(test.reads) {
					t.Errorf("submitted %d of %d", n, test.reads)
				}
				for head, tail := r.CQ(); tail-head < test.reads; _, tail = r.CQ() {
					r.SubmitAndWaitC(test.reads)
				}
				drain(r)
				done()
			}
			// Others may keep the machine busy, so the best time counts.
			direct, c := time.Duration(math.MaxInt64), time.Duration(math.MaxInt64)
			for range 10 {
				direct = min(direct, longestStop(func() { turn(r.Submit) }))
				c = min(c, longestStop(func() { turn(r.SubmitC) }))
				if direct <= 2*c+3*time.Millisecond {
					return
				}
			}
			t.Errorf("garbage collection waits for up to %v until the world has stopped, with calls through C for %v", direct, c)
		})
	}
}

// cachedFile returns the descriptor of a file that the page cache holds.
func cachedFile(t *testing.T, size int) int {
	t.Helper()
	name := filepath.Join(t.TempDir(), "cached")
	if err := os.WriteFile(name, make([]byte, size), 0o600); err != nil {
		t.Fatal(err)
	}
	fd, err := syscall.Open(name, syscall.O_RDONLY|syscall.O_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { CloseFD(fd) })
	return fd
}

// longestStop returns how long garbage collection waits at most until the world
// has stopped, while work is done over and over.
func longestStop(work func()) time.Duration {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(2))
	defer debug.SetGCPercent(debug.SetGCPercent(-1))
	work()
	before := gcStops()
	var over atomic.Bool
	go func() {
		for range 20 {
			runtime.GC()
			time.Sleep(time.Millisecond)
		}
		over.Store(true)
	}()
	for !over.Load() {
		work()
	}
	after := gcStops()
	longest := 0.0
	for i, n := range after.Counts {
		if n > before.Counts[i] {
			longest = after.Buckets[i]
		}
	}
	return time.Duration(longest * float64(time.Second))
}

func gcStops() metrics.Float64Histogram {
	s := []metrics.Sample{{Name: "/sched/pauses/stopping/gc:seconds"}}
	metrics.Read(s)
	h := s[0].Value.Float64Histogram()
	return metrics.Float64Histogram{Counts: slices.Clone(h.Counts), Buckets: slices.Clone(h.Buckets)}
}

// One request that moves data makes a call long, wherever it is among others.
func TestOneRequestMakesACallLong(t *testing.T) {
	r := enterRing(t, 2*briefEntries, 0)
	nops(r, briefEntries+briefEntries/2) // so that positions go round
	r.Submit()
	drain(r)
	for op := range 256 {
		switch op {
		case OpNop, OpPollAdd, OpPollRemove, OpTimeout, OpLinkTimeout, OpMsgRing:
			continue
		}
		for _, at := range []uint32{0, 7, briefEntries - 1} {
			nops(r, briefEntries)
			if !r.brief(briefEntries) {
				t.Fatal("requests that do nothing make a long call")
			}
			r.sqe(*r.sqTail - 1 - at).Opcode = uint8(op)
			if r.brief(briefEntries) {
				t.Errorf("opcode %d makes a short call", op)
			}
			*r.sqTail = *r.sqHead
		}
	}
	nops(r, briefEntries+1)
	if r.brief(briefEntries + 1) {
		t.Error("many requests make a short call")
	}
	*r.sqTail = *r.sqHead
}

// Completion work that waits is done in the next call, which it makes long.
func TestWaitingWorkMakesACallLong(t *testing.T) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	r := enterRing(t, 4, SetupSingleIssuer|SetupDeferTaskrun|SetupTaskrunFlag)
	a, b := testutil.UnixPair(t, syscall.SOCK_STREAM)
	got := make([]byte, 4)
	*r.NextSQE() = SQE{Opcode: OpRecv, FD: int32(a), Addr: uint64(uintptr(unsafe.Pointer(&got[0]))), Len: 4}
	if n := r.Submit(); n != 1 {
		t.Fatalf("Submit: %d", n)
	}
	nops(r, 1)
	if !r.brief(1) || !r.likely(1) {
		t.Error("nothing waits, and a request that does nothing makes a long call")
	}
	if _, err := syscall.Write(b, []byte("data")); err != nil {
		t.Fatal(err)
	}
	if r.brief(1) || r.likely(1) {
		t.Error("a receive waits, and the call is taken to be short")
	}
	if n := r.SubmitAndWait(2); n != 1 {
		t.Errorf("SubmitAndWait: %d", n)
	}
	if head, tail := r.CQ(); tail-head != 2 || string(got) != "data" {
		t.Errorf("%d completions, received %q", tail-head, got)
	}
}

// The scheduler is told of each call for a ring that polls, or whose requests
// the kernel's own thread submits.
func TestRingsWithoutShortCalls(t *testing.T) {
	for _, flags := range []uint32{SetupSQPoll, SetupIOPoll} {
		r := enterRing(t, 8, flags)
		nops(r, 1)
		if r.brief(1) {
			t.Errorf("flags %#x: a short call", flags)
		}
		r.Submit()
	}
}

func enterRing(t *testing.T, entries, flags uint32) *Ring {
	t.Helper()
	r, rc := Open(entries, &Params{Flags: flags}, nil)
	if rc < 0 {
		t.Fatal(syscall.Errno(-rc))
	}
	t.Cleanup(r.Exit)
	return r
}
