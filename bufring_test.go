//go:build linux

package uring

import (
	"errors"
	"fmt"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"unsafe"

	"github.com/uring-go/uring/internal/kernel"
	"github.com/uring-go/uring/internal/live"
	"github.com/uring-go/uring/internal/testutil"
)

// Of groups made by requests only the kernel knows. A buffer ring of the same
// number is refused by what is in the way, whichever thread asks; a send queue
// takes another number.
func TestGroupThatRequestsMadeIsNotTheWrongThread(t *testing.T) {
	for _, c := range []Config{{Entries: 8}, {Entries: 8, Flags: SetupSingleIssuer}} {
		t.Run(c.Flags.String(), func(t *testing.T) {
			const group, last = 5, 65535
			g := newRig(t, c)
			mem := make([]byte, 8)
			for _, n := range []uint16{group, last} {
				equal(t, "result", g.do(func(s SQE) { g.must(s.PrepProvideBuffers(mem, 8, n, 0)) }), 0)
			}
			for _, inKernel := range []bool{false, true} {
				if inKernel && !hasLinux(t, kernel.V(6, 4)) {
					continue // KernelMemory
				}
				b := BufRingConfig{Group: group, Entries: 4, BufSize: 8, KernelMemory: inKernel}
				_, err := g.NewBufRing(b)
				refused(t, "NewBufRing", err, syscall.EEXIST, "buffer group 5 is in use on this ring")
				equal(t, "is ErrWrongThread", errors.Is(err, ErrWrongThread), false)
			}
			if c.Flags != 0 {
				errs := make(chan error)
				go func() {
					_, err := g.NewBufRing(BufRingConfig{Group: group, Entries: 4, BufSize: 8})
					errs <- err
				}()
				if err := <-errs; !errors.Is(err, ErrWrongThread) {
					t.Errorf("another thread: %v", err)
				}
			}
			equal(t, "buffers removed", g.do(func(s SQE) { g.must(s.PrepRemoveBuffers(8, group)) }), 1)
			br, err := g.NewBufRing(BufRingConfig{Group: group, Entries: 4, BufSize: 8})
			g.must(err)
			g.must(br.Close())

			testutil.Need(t, HaveSendProvided)
			a, _ := streamPair(g)
			q, err := g.NewSendQueue(FD(a), SendQueueConfig{Mode: SendProvided, Memory: 64})
			g.must(err)
			g.must(q.Close())
			runtime.KeepAlive(mem)
		})
	}
}

func TestBufferRingsOfEverySize(t *testing.T) {
	for _, c := range []BufRingConfig{
		{Entries: 1, BufSize: 1},
		{Entries: 1, BufSize: 1 << 20},
		{Entries: 2, BufSize: 12345},
		{Entries: 32768, BufSize: 1},
		{Entries: 64, BufSize: 4 << 10, HugePages: true},
		{Entries: 64, BufSize: 4 << 10, Registered: true},
		{Entries: 64, BufSize: 4 << 10, HugePages: true, Registered: true},
	} {
		for _, incremental := range []bool{false, true} {
			c.Incremental = incremental
			t.Run(fmt.Sprintf("%+v", c), func(t *testing.T) {
				s := newStage(t, c)
				equal(t, "entries", s.br.Entries(), c.Entries)
				equal(t, "size", s.br.BufSize(), c.BufSize)
				equal(t, "incremental", s.br.Incremental(), incremental)
				reg, ok := s.br.Registered()
				equal(t, "registered", ok, c.Registered)
				if ok && len(reg.Bytes()) < c.Entries*c.BufSize {
					t.Errorf("%d bytes are registered", len(reg.Bytes()))
				}
				// Each buffer in full, and the first one again. One receive each: a
				// multishot of a used-up group ends on some kernels, and waits on others.
				for i := range min(c.Entries, 40) + 1 {
					bid := i % c.Entries
					n := min(c.BufSize, 64<<10)
					s.send(n)
					s.take(s.recv(0, 0, 0), place{bid, 0, n})
					if incremental && n < c.BufSize {
						break // the buffer is not full
					}
				}
				s.settled()
				s.available(c.Entries)
				s.closeBuffers()
			})
		}
	}
}

func TestAllBuffersOfTheLargestRing(t *testing.T) {
	needBundles(t, false)
	const entries = 32768
	s := newStage(t, BufRingConfig{Entries: entries, BufSize: 2})
	for round := range 3 { // past the wrap of the kernel's 16-bit positions
		s.send(2 * entries)
		var held []Segment
		for len(held) < entries {
			for seg, err := range s.br.Segments(s.recv(0, syscall.MSG_DONTWAIT, Bundle)) {
				if err != nil {
					t.Fatal(err)
				}
				equal(t, "place", s.place(seg.Bytes), place{len(held), 0, 2})
				s.inStream(seg.Bytes)
				held = append(held, seg)
			}
		}
		s.available(0)
		s.head((round + 1) * entries % 65536)
		equal(t, "in the kernel", s.br.Stats().InKernel, 0)
		s.release(held...)
		s.available(entries)
	}
	s.settled()
}

func TestNewBufRingSaysWhatIsWrong(t *testing.T) {
	testutil.Need(t, HaveIncremental)
	ring, err := New(Config{})
	if err != nil {
		t.Fatal(err)
	}
	defer ring.Close()
	taken, err := ring.NewBufRing(BufRingConfig{Group: 7, Entries: 1, BufSize: 1})
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()

	for _, c := range []struct {
		config BufRingConfig
		want   string
	}{
		{BufRingConfig{BufSize: 1}, "uring: BufRingConfig.Entries is 0, want 1 to 32768"},
		{BufRingConfig{Entries: -4, BufSize: 1}, "uring: BufRingConfig.Entries is -4, want 1 to 32768"},
		{BufRingConfig{Entries: 65536, BufSize: 1}, "uring: BufRingConfig.Entries is 65536, want 1 to 32768"},
		{BufRingConfig{Entries: 1000, BufSize: 1}, "uring: BufRingConfig.Entries is 1000, want a power of two such as 1024"},
		{BufRingConfig{Entries: 1}, "uring: BufRingConfig.BufSize is 0, want 1 to 1073741824"},
		{BufRingConfig{Entries: 1, BufSize: -1}, "uring: BufRingConfig.BufSize is -1, want 1 to 1073741824"},
		{BufRingConfig{Entries: 1, BufSize: 1<<30 + 1}, "uring: BufRingConfig.BufSize is 1073741825, want 1 to 1073741824"},
		{BufRingConfig{Entries: 1, BufSize: 8, MinLeft: -1, Incremental: true}, "uring: BufRingConfig.MinLeft is -1, want 0 to BufSize, 8"},
		{BufRingConfig{Entries: 1, BufSize: 8, MinLeft: 9, Incremental: true}, "uring: BufRingConfig.MinLeft is 9, want 0 to BufSize, 8"},
		{BufRingConfig{Entries: 1, BufSize: 8, MinLeft: 1}, "uring: BufRingConfig.MinLeft is 1, but only an incremental ring keeps a rest: set Incremental, or leave it 0"},
		{BufRingConfig{Entries: 2, BufSize: 1 << 30, Registered: true}, "uring: BufRingConfig.Registered: 2147483648 bytes of buffers, the kernel registers at most 1073741824"},
		{BufRingConfig{Group: 7, Entries: 1, BufSize: 1}, "uring: buffer group 7 is in use on this ring"},
	} {
		br, err := ring.NewBufRing(c.config)
		if err == nil {
			br.Close()
		}
		equal(t, "error", text(err), c.want)
	}
}

func TestNewBufRingNamesTheKernelThatHasIncrementalBuffers(t *testing.T) {
	replaceProbe(t, &probeIncremental, lacking("incremental buffers", 6, 12))
	ring, err := New(Config{})
	if err != nil {
		t.Fatal(err)
	}
	defer ring.Close()
	_, err = ring.NewBufRing(BufRingConfig{Entries: 1, BufSize: 1, Incremental: true})
	if !errors.Is(err, ErrNotSupported) {
		t.Error(err)
	}
	equal(t, "error", text(err), "uring: incremental buffers not supported (needs Linux 6.12 or later)")
}

func TestNewBufRingLeavesNothingBehindWhenTheKernelRefuses(t *testing.T) {
	for _, c := range []struct {
		config BufRingConfig
		errno  syscall.Errno
		want   string
	}{
		{BufRingConfig{Entries: 4, BufSize: 16}, syscall.ENOMEM,
			"uring: register buffer ring: cannot allocate memory ("},
		{BufRingConfig{Entries: 4, BufSize: 16, Registered: true}, syscall.ENOMEM,
			"uring: register buffers: cannot allocate memory ("},
	} {
		open := live.Counts()["arena"] // those that tests that failed left
		k := openModel()
		k.fails = c.errno
		br, err := k.ring.NewBufRing(c.config)
		if br != nil || !errors.Is(err, c.errno) {
			t.Fatal(br, err)
		}
		if !strings.HasPrefix(err.Error(), c.want) {
			t.Errorf("error is %v, want %s", err, c.want)
		}
		equal(t, "open", live.Counts()["arena"], open)

		k.fails = 0 // and the group is free
		if _, err := k.ring.NewBufRing(BufRingConfig{Entries: 4, BufSize: 16}); err != nil {
			t.Fatal(err)
		}
		if err := k.ring.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

func TestOneGroupForEachBufferRing(t *testing.T) {
	s := newStage(t, BufRingConfig{Group: 65535, Entries: 2, BufSize: 16})
	other, err := s.NewBufRing(BufRingConfig{Group: 0, Entries: 2, BufSize: 16})
	if err != nil {
		t.Fatal(err)
	}
	s.send(20)
	c := s.recv(0, 0, 0)
	s.is(c, 16, 0, "B")
	s.take(c, place{0, 0, 16})
	first := s.br
	s.br = other
	c = s.recv(0, 0, 0)
	s.is(c, 4, 2, "B") // the numbers before are those of the first ring's buffers
	s.take(c, place{0, 0, 4})
	s.settled()
	s.closeBuffers()
	s.br = first
	s.settled()
}

// A ring of buffers whose entries the kernel allocated works like any other:
// around the ring, classic and incremental.
func TestBufRingInTheKernelsMemory(t *testing.T) {
	_, err := newRig(t, Config{Entries: 4}).NewBufRing(BufRingConfig{Entries: 4, BufSize: 64, KernelMemory: true})
	needsCall(t, err)
	for _, incremental := range []bool{false, true} {
		name := map[bool]string{false: "classic", true: "incremental"}[incremental]
		t.Run(name, func(t *testing.T) {
			s := newStage(t, BufRingConfig{Group: 0x7ff, Entries: 4, BufSize: 64, KernelMemory: true, Incremental: incremental})
			for i := range 20 {
				n := 40 + i%24
				s.send(n)
				c := s.answer(func(q SQE) {
					if err := q.PrepRecvProvided(FD(s.in), s.br, 0, 0, 0); err != nil {
						t.Fatal(err)
					}
				})
				var got []byte
				if err := s.br.Consume(c, func(p []byte) error { got = append(got, p...); return nil }); err != nil {
					t.Fatal(err)
				}
				equal(t, "bytes", got, stream(s.got, len(got)))
				s.got += len(got)
			}
			if n, err := s.br.Available(); err != nil || n < 1 {
				t.Errorf("available: %d, %v", n, err)
			}
			equal(t, "error of Close", s.br.Close(), nil)
			again, err := s.NewBufRing(BufRingConfig{Group: 0x7ff, Entries: 8, BufSize: 64, KernelMemory: true})
			equal(t, "error of the same group again", err, nil)
			equal(t, "error of Close", again.Close(), nil)
		})
	}
}

func TestKernelMemoryNeedsADescriptor(t *testing.T) {
	needsCloseRingFD(t)
	onOwner(t, Config{Entries: 4}, func(r *rig) {
		equal(t, "error of RegisterRingFD", r.RegisterRingFD(), nil)
		equal(t, "error of CloseRingFD", r.CloseRingFD(), nil)
		_, err := r.NewBufRing(BufRingConfig{Entries: 4, BufSize: 64, KernelMemory: true})
		wantError(t, err, "no descriptor to map the memory by")
		_, err = r.NewBufRing(BufRingConfig{Group: 2048, Entries: 4, BufSize: 64, KernelMemory: true})
		wantError(t, err, "Group is 2048, the kernel can map 0 to 2047")
	})
}

// What fails after the kernel made the ring takes it back.
func TestKernelMemoryIsGivenBackOnErrors(t *testing.T) {
	r, _, _ := newMockRing(t, 0)
	_, err := r.NewBufRing(BufRingConfig{Entries: 4, BufSize: 64, KernelMemory: true})
	wantError(t, err, "no descriptor")

	r, _, drv := newMockRing(t, 0)
	r.fd.Store(1 << 20)
	drv.RegisterBufRing(unsafe.Pointer(nil), uint32(4), uint32(9), uint32(1), uint32(0)).Return(0)
	drv.UnregisterBufRing(uint32(9)).Return(0)
	_, err = r.NewBufRing(BufRingConfig{Group: 9, Entries: 4, BufSize: 64, KernelMemory: true})
	equal(t, "is EBADF", errors.Is(err, syscall.EBADF), true)
}

// A ring in the program's memory may have buffer rings in the kernel's.
func TestBufRingsInTheKernelsMemoryOfARingInTheProgramsOwn(t *testing.T) {
	library(t, 11)
	r, err := New(Config{Entries: 4, Memory: newArena(t, 1<<16)})
	needsCall(t, err)
	defer r.Close()
	g := rigOn(t, r)
	in, out := streamPair(t)
	var all []*BufRing
	for group := range uint16(10) { // some in the kernel's list of small numbers, some not
		br, err := g.NewBufRing(BufRingConfig{Group: 60 + group, Entries: 512, BufSize: 32, KernelMemory: true})
		needsCall(t, err)
		all = append(all, br)
	}
	for _, br := range all {
		g.start(1, func(s SQE) { g.must(s.PrepRecvProvided(FD(in), br, 0, 0, 0)) })
		g.write(out, "hello")
		var got string
		g.must(br.Consume(g.next(), func(p []byte) error { got += string(p); return nil }))
		equal(t, "received", got, "hello")
		g.must(br.Close())
	}
}
