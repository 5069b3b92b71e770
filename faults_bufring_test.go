//go:build linux

package uring

import (
	"errors"
	"fmt"
	"math"
	"strings"
	"syscall"
	"testing"

	"github.com/uring-go/uring/cgo"
	"github.com/uring-go/uring/internal/testutil"
)

// refusesCompletion hands c over in both ways; each must refuse it for the
// reason and change nothing.
func refusesCompletion(t *testing.T, b *BufRing, c CQE, why string) {
	t.Helper()
	before := account(b)
	check := func(err error) {
		t.Helper()
		if !errors.Is(err, ErrBadCompletion) || !strings.HasSuffix(err.Error(), why) {
			t.Errorf("%+v: error %v, want %q", observe(c), err, why)
		}
		equal(t, "account", account(b), before)
	}
	check(b.Consume(c, func(p []byte) error {
		t.Errorf("%+v brought %d bytes", observe(c), len(p))
		return nil
	}))
	calls := 0
	for seg, err := range b.Segments(c) {
		if calls++; calls > 1 || seg.Bytes != nil {
			t.Errorf("%+v brought %d bytes", observe(c), len(seg.Bytes))
		}
		check(err)
		if err := seg.Release(); !errors.Is(err, ErrReleased) {
			t.Errorf("Release of the empty segment: %v", err)
		}
	}
	equal(t, "calls", calls, 1)
}

const (
	noBuffer   = "it names no buffer"
	notThere   = "the kernel did not have that buffer"
	noRoom     = "it claims more bytes than the kernel had room for"
	notReached = "the kernel has not come to that buffer"
)

func TestBadCompletionsAreRefused(t *testing.T) {
	for _, incremental := range []bool{false, true} {
		t.Run(fmt.Sprintf("incremental=%v", incremental), func(t *testing.T) {
			// Buffer 0 is with the program, 1 went back and is last in the ring.
			s := newStage(t, BufRingConfig{Entries: 4, BufSize: 16, Incremental: incremental})
			s.Ring.unwatch()
			s.send(16)
			first := s.recv(0, 0, 0)
			held := s.hold(first, place{0, 0, 16})
			s.send(16)
			second := s.recv(0, 0, 0)
			s.take(second, place{1, 0, 16})
			s.submit()

			for _, c := range []struct {
				name string
				cqe  CQE
				why  string
			}{
				{"bytes without a buffer", CQE{Res: 1}, noBuffer},
				{"most bytes without a buffer", CQE{Res: math.MaxInt32, Flags: cgo.CQEFMore}, noBuffer},
				{"no such buffer", buffered(1, 4, 0), notThere},
				{"no such buffer, no bytes", buffered(0, 65535, 0), notThere},
				{"no such buffer, error", buffered(-int(syscall.ECANCELED), 4, 0), notThere},
				{"no such buffer, least result", buffered(math.MinInt32, 65535, 0), notThere},
				{"the program's buffer", buffered(1, 0, 0), notThere},
				{"the program's buffer, no bytes", buffered(0, 0, 0), notThere},
				{"the same once more", first, notThere},
				{"more than the ring has", buffered(3*16+1, 2, 0), noRoom},
				{"more than any ring has", buffered(math.MaxInt32, 2, 0), noRoom},
				{"more than is behind", buffered(2*16+1, 3, 0), noRoom},
				{"more than the last one has", buffered(17, 1, 0), noRoom},
			} {
				t.Run(c.name, func(t *testing.T) { refusesCompletion(t, s.br, c.cqe, c.why) })
			}
			if HaveBufRingStatus() == nil {
				for name, c := range map[string]CQE{
					"a later buffer":        buffered(16, 3, 0),
					"an old one once more":  second,
					"a later buffer's rest": buffered(1, 1, cgo.CQEFBufMore),
				} {
					t.Run(name, func(t *testing.T) { refusesCompletion(t, s.br, c, notReached) })
				}
			}
			s.release(held...)
			s.settled()
			s.available(4)
		})
	}
}

// Bytes in the middle of a bundle that were delivered before.
func TestBundleOverADeliveredBufferIsRefused(t *testing.T) {
	k := newModel(t, BufRingConfig{Entries: 4, BufSize: 16}, 0)
	k.ring.unwatch()
	k.head = 4
	if err := k.br.Consume(buffered(16, 1, 0), func([]byte) error { return nil }); err != nil {
		t.Fatal(err)
	}
	refusesCompletion(t, k.br, buffered(17, 0, 0), noRoom)
	k.submit(t)
	refusesCompletion(t, k.br, buffered(17, 0, 0), noRoom)

	// What is true is taken.
	var got []int
	for _, c := range []CQE{buffered(16, 0, 0), buffered(32, 2, 0)} {
		if err := k.br.Consume(c, func(p []byte) error { got = append(got, len(p)); return nil }); err != nil {
			t.Fatal(err)
		}
	}
	equal(t, "slices", got, []int{16, 16, 16})
}

// Buffers may be used out of order, but not before the kernel has picked them.
func TestBufferCountsOnceTheKernelHasPassedIt(t *testing.T) {
	for _, incremental := range []bool{false, true} {
		t.Run(fmt.Sprintf("incremental=%v", incremental), func(t *testing.T) {
			k := newModel(t, BufRingConfig{Entries: 4, BufSize: 16, Incremental: incremental}, 0)
			k.ring.unwatch()
			whole := buffered(32, 1, 0)
			for k.head = range 3 {
				refusesCompletion(t, k.br, whole, notReached)
			}
			k.head = 3
			if err := k.br.Consume(whole, func([]byte) error { return nil }); err != nil {
				t.Fatal(err)
			}
		})
	}
}

// Errors and ends that name a buffer which the kernel still has mean nothing
// for the account, at once and later.
func TestCompletionsWithoutBytesCostNothingWhileTheKernelHasTheBuffer(t *testing.T) {
	for _, incremental := range []bool{false, true} {
		t.Run(fmt.Sprintf("incremental=%v", incremental), func(t *testing.T) {
			s := newStage(t, BufRingConfig{Entries: 4, BufSize: 16, Incremental: incremental})
			s.Ring.unwatch()
			testutil.Need(t, HaveBufRingStatus) // others always let go of it
			before := account(s.br)
			for _, c := range []CQE{
				buffered(0, 0, 0),
				buffered(0, 3, cgo.CQEFBufMore),
				buffered(-int(syscall.ECANCELED), 0, 0),
				buffered(-int(syscall.EAGAIN), 2, cgo.CQEFMore),
				buffered(math.MinInt32, 1, 0),
			} {
				s.failed(c, c.Err())
			}
			s.submit()
			equal(t, "account", account(s.br), before)
			s.send(5)
			c := s.recv(0, 0, 0)
			s.take(c, place{0, 0, 5})
			s.settled()
		})
	}
}

// A buffer that the kernel has passed over is with a request in a worker thread: it
// stays there until that request's completion comes, and then holds nothing more.
func TestBufferThatWasPassedOverStaysWithTheKernel(t *testing.T) {
	k := newModel(t, BufRingConfig{Entries: 4, BufSize: 16, Incremental: true}, 0)
	p := &play{TB: t, model: k}
	take := func(want string) {
		t.Helper()
		for c := range k.ring.Completions() {
			got := ""
			if err := k.br.Consume(c, func(b []byte) error { got += string(b); return nil }); err != nil {
				t.Fatal(err)
			}
			equal(t, "bytes", got, want)
			return
		}
		t.Fatal("no completion")
	}
	p.post(k.receive([]byte("0123456789"), 1), "")
	take("0123456789")
	bid, mem := k.pick() // the other six bytes of buffer 0
	p.post(k.receive([]byte("later"), 1), "")
	take("later")
	k.submit(t)
	equal(t, "stats", k.br.Stats(), BufRingStats{Completions: 2, Bytes: 15, InKernel: 4})

	n := copy(mem, "work")
	p.post(buffered(n, bid, 0), "")
	take("work")
	k.submit(t)
	equal(t, "stats", k.br.Stats(), BufRingStats{Completions: 3, Bytes: 19, Buffers: 1, Wasted: 2, InKernel: 4})
	checkAccount(t, k.br)
}

// BUF_MORE that contradicts the account is held against what the kernel has left of
// the buffer.
func TestBufferMoreIsComparedWithTheEntry(t *testing.T) {
	incremental := BufRingConfig{Entries: 2, BufSize: 16, Incremental: true}
	for _, c := range []struct {
		name       string
		config     BufRingConfig
		res, left  int // left by the entry
		more       bool
		mismatches uint64
		kept, fits bool
	}{
		{"missing", incremental, 10, 6, false, 1, true, true},
		{"missing, as the kernel took the rest", incremental, 10, 0, false, 0, false, true},
		{"spurious", incremental, 16, 0, true, 1, false, true},
		{"true: the kernel has a rest that the account has not", incremental, 16, 4, true, 0, true, false},
		{"in a classic ring", BufRingConfig{Entries: 2, BufSize: 16}, 10, 16, true, 0, false, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			k := newModel(t, c.config, 0)
			if s := k.first(); c.kept {
				s.use(s.len() - c.left)
			} else {
				k.retire()
			}
			flags := uint32(0)
			if c.more {
				flags = cgo.CQEFBufMore
			}
			(&play{TB: t, model: k}).post(buffered(c.res, 0, flags), "")
			for cqe := range k.ring.Completions() {
				err := k.br.Consume(cqe, func([]byte) error { return nil })
				equal(t, "fits", err == nil, c.fits)
				equal(t, "disagreement", errors.Is(err, ErrAccount), !c.fits)
			}
			equal(t, "mismatches", k.br.Stats().Mismatches, c.mismatches)
			equal(t, "with the kernel", k.br.bufs[0].state == inRing, c.kept)
		})
	}
}

// The kernel's positions have 16 bits, and there may be 32768 buffers.
func TestLargestRingTellsAWholeRoundFromNone(t *testing.T) {
	const entries = 32768
	for _, c := range []struct {
		name string
		gone int
	}{{"none gone", 0}, {"all gone", entries}} {
		t.Run(c.name, func(t *testing.T) {
			k := newModel(t, BufRingConfig{Entries: entries, BufSize: 1}, 1<<16-entries)
			k.ring.unwatch()
			k.head += uint16(c.gone)
			for bid := range entries {
				if err := k.br.Consume(buffered(0, uint16(bid), 0), nil); err != nil {
					t.Fatal(err)
				}
			}
			k.submit(t)
			equal(t, "lost buffers", int(k.br.Stats().Buffers), c.gone)
			equal(t, "in the kernel", int(k.tail()-k.head), entries)
		})
	}
}

// A completion that waits may be about the buffer that an earlier one names:
// some kernels name one that they do not take.
func TestBufferIsNotLostBeforeAllCompletionsAreHandled(t *testing.T) {
	k := newModel(t, BufRingConfig{Entries: 2, BufSize: 16}, 0)
	p := &play{TB: t, model: k}
	p.post(buffered(-int(syscall.ECANCELED), 0, 0), "")
	p.post(k.receive([]byte("data"), 1), "data")

	handle := func(want string) {
		t.Helper()
		for c := range k.ring.Completions() {
			got := ""
			err := k.br.Consume(c, func(b []byte) error { got += string(b); return nil })
			if err != c.Err() || got != want {
				t.Fatalf("%+v: %q, %v", observe(c), got, err)
			}
			break
		}
		k.submit(t)
	}
	handle("")
	handle("data")
	equal(t, "in the kernel", int(k.tail()-k.head), 2)
	equal(t, "lost buffers and their bytes", k.br.Stats(), BufRingStats{Completions: 1, Bytes: 4, Buffers: 1, Wasted: 12, InKernel: 2})
}

// The memory of a ring whose buffers are all accounted for is freed at once.
func TestCloseSettlesWhatWasLost(t *testing.T) {
	k := newModel(t, BufRingConfig{Entries: 2, BufSize: 16}, 0)
	k.ring.unwatch()
	k.head++
	if err := k.br.Consume(buffered(0, 0, 0), nil); err != nil {
		t.Fatal(err)
	}
	if err := k.br.Close(); err != nil {
		t.Fatal(err)
	}
	equal(t, "memory kept", len(k.ring.unfreed), 0)
}
