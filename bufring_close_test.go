//go:build linux

package uring

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/uring-go/uring/internal/live"
	"github.com/uring-go/uring/internal/testutil"
)

// Memory must outlive everything that may touch it: requests in the kernel and
// slices in the program.

func TestScenario38_ClosedUnderRequests(t *testing.T) {
	t.Run("that wait for data", func(t *testing.T) {
		testutil.Need(t, HaveBufRingStatus)
		s := newStage(t, BufRingConfig{Entries: 2, BufSize: 16})
		s.arm(0)
		s.closeBuffers()
		equal(t, "memory kept", s.memoryKept(), false)
		s.send(10)
		c := s.next()
		s.is(c, -int(syscall.ENOBUFS), -1, "")
		s.fails(c, ErrClosed)
	})
	t.Run("that hold a buffer in a worker", func(t *testing.T) {
		s := newStage(t, BufRingConfig{Entries: 2, BufSize: 16})
		s.async(s.in)
		s.waitHead(1)
		s.closeBuffers()
		equal(t, "memory kept", s.memoryKept(), true)
		s.send(10)
		c := s.next()
		s.is(c, 10, 0, "B")
		held := s.hold(c, place{0, 0, 10})
		s.outliveRing(held)
	})
	t.Run("that have filled half a buffer", func(t *testing.T) {
		s := newStage(t, BufRingConfig{Entries: 2, BufSize: 16})
		s.sqe(0, func(q SQE) error { return q.PrepRecvProvided(FD(s.in), s.br, 0, syscall.MSG_WAITALL, 0) })
		s.send(6)
		s.none()
		s.closeBuffers()
		equal(t, "memory kept", s.memoryKept(), true)
		s.send(10)
		c := s.next()
		s.is(c, 16, 0, "B")
		s.take(c, place{0, 0, 16})
	})
	t.Run("whose completions are not handled yet", func(t *testing.T) {
		testutil.Need(t, HaveBufRingStatus)
		s := newStage(t, BufRingConfig{Entries: 2, BufSize: 16})
		s.arm(0)
		s.send(10)
		s.submit()
		s.waitHead(1)
		s.closeBuffers()
		equal(t, "memory kept", s.memoryKept(), true)
		c := s.next()
		s.is(c, 10, 0, "MB")
		s.consume(c)
	})
}

// memoryKept says whether the closed buffer ring's memory waits for the Ring's
// Close.
func (s *stage) memoryKept() bool { return slices.Contains(s.ring.unfreed, s.br) }

// closeBuffers closes the buffer ring and checks that it is.
func (s *stage) closeBuffers() {
	s.Helper()
	for range 2 {
		if err := s.br.Close(); err != nil {
			s.Fatal(err)
		}
	}
	if _, err := s.br.Head(); !errors.Is(err, ErrClosed) {
		s.Errorf("Head: %v", err)
	}
	if _, err := s.br.Available(); !errors.Is(err, ErrClosed) {
		s.Errorf("Available: %v", err)
	}
	// The group is free again.
	br, err := s.ring.NewBufRing(BufRingConfig{Group: s.br.Group(), Entries: 1, BufSize: 1})
	if err != nil {
		s.Fatal(err)
	}
	if err := br.Close(); err != nil {
		s.Fatal(err)
	}
}

// outliveRing closes the ring with segments lent and checks that they stay
// readable, and that the memory goes with the last of them.
func (s *stage) outliveRing(held []Segment) {
	s.Helper()
	var before []string
	for _, seg := range held {
		before = append(before, string(seg.Bytes))
	}
	if err := s.ring.Close(); err != nil {
		s.Fatal(err)
	}
	for i, seg := range held {
		equal(s, "bytes", string(seg.Bytes), before[i])
		equal(s, "buffer rings open", live.Counts()["buffer ring"], 1)
		s.release(seg)
		if err := seg.Release(); !errors.Is(err, ErrReleased) {
			s.Errorf("second Release: %v", err)
		}
	}
	equal(s, "buffer rings open", live.Counts()["buffer ring"], 0)
	equal(s, "arenas open", live.Counts()["arena"], 0)
}

func TestCloseIsRefusedWhileSlicesAreLent(t *testing.T) {
	s := newStage(t, BufRingConfig{Group: 5, Entries: 2, BufSize: 16})
	s.send(10)
	held := s.hold(s.recv(0, 0, 0), place{0, 0, 10})
	busy := func() {
		t.Helper()
		err := s.br.Close()
		if !errors.Is(err, ErrBusy) {
			t.Fatal(err)
		}
		equal(t, "error", text(err), "uring: buffer ring 5: still in use: 1 slices are lent; release them first")
	}
	busy()
	s.release(held...)

	s.send(10)
	c := s.recv(0, 0, 0)
	if err := s.br.Consume(c, func(p []byte) error { busy(); s.inStream(p); return nil }); err != nil {
		t.Fatal(err)
	}
	s.settled() // nothing was closed
	s.closeBuffers()
}

func TestSegmentsOutliveTheRing(t *testing.T) {
	for _, registered := range []bool{false, true} {
		t.Run(fmt.Sprintf("registered=%v", registered), func(t *testing.T) {
			s := newBundleStage(t, BufRingConfig{Entries: 4, BufSize: 16, Registered: registered})
			s.send(64)
			s.arm(Bundle)
			_, held := s.bundle(64, place{0, 0, 16}, place{1, 0, 16}, place{2, 0, 16}, place{3, 0, 16})
			s.outliveRing(held)
		})
	}
}

func TestRingMayCloseInConsume(t *testing.T) {
	s := newBundleStage(t, BufRingConfig{Entries: 4, BufSize: 16})
	s.send(48)
	c := s.recv(0, syscall.MSG_DONTWAIT, Bundle)
	err := s.br.Consume(c, func(p []byte) error {
		s.inStream(p)
		return s.ring.Close()
	})
	if err != nil {
		t.Fatal(err)
	}
	equal(t, "bytes received", s.got, int(c.Res))
	equal(t, "buffer rings open", live.Counts()["buffer ring"], 0)
}

func TestUseAfterClose(t *testing.T) {
	for _, c := range []struct {
		name  string
		close func(*stage) error
	}{
		{"of the buffer ring", func(s *stage) error { return s.br.Close() }},
		{"of the ring", func(s *stage) error { return s.ring.Close() }},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := newStage(t, BufRingConfig{Entries: 2, BufSize: 16})
			s.send(10)
			cqe := s.recv(0, 0, 0)
			held := s.hold(cqe, place{0, 0, 10})
			s.release(held...)
			s.submit()
			if err := c.close(s); err != nil {
				t.Fatal(err)
			}
			if s.memoryKept() {
				// A kernel that cannot be asked may still use the buffers, and
				// completions bring their bytes until the ring is closed.
				equal(t, "error", errors.Is(HaveBufRingStatus(), ErrNotSupported), true)
				if err := s.ring.Close(); err != nil {
					t.Fatal(err)
				}
			}
			s.fails(cqe, ErrClosed)
			for seg, err := range s.br.Segments(cqe) {
				if !errors.Is(err, ErrClosed) || seg.Bytes != nil {
					t.Errorf("segment of %d bytes, error %v", len(seg.Bytes), err)
				}
			}
			if err := held[0].Release(); !errors.Is(err, ErrReleased) {
				t.Errorf("Release: %v", err)
			}
			if _, err := s.br.Head(); !errors.Is(err, ErrClosed) {
				t.Errorf("Head: %v", err)
			}
			equal(t, "size", s.br.BufSize(), 16)
			equal(t, "entries", s.br.Entries(), 2)
			if err := s.br.Close(); err != nil {
				t.Errorf("second Close: %v", err)
			}
		})
	}
	t.Run("NewBufRing", func(t *testing.T) {
		s := newStage(t, BufRingConfig{Entries: 2, BufSize: 16})
		if err := s.ring.Close(); err != nil {
			t.Fatal(err)
		}
		if _, err := s.ring.NewBufRing(BufRingConfig{Group: 1, Entries: 2, BufSize: 16}); !errors.Is(err, ErrClosed) {
			t.Error(err)
		}
	})
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
		k := openModel()
		k.fails = c.errno
		br, err := k.ring.NewBufRing(c.config)
		if br != nil || !errors.Is(err, c.errno) {
			t.Fatal(br, err)
		}
		if !strings.HasPrefix(err.Error(), c.want) {
			t.Errorf("error is %v, want %s", err, c.want)
		}
		equal(t, "open", live.Counts()["arena"], 0)

		k.fails = 0 // and the group is free
		if _, err := k.ring.NewBufRing(BufRingConfig{Entries: 4, BufSize: 16}); err != nil {
			t.Fatal(err)
		}
		if err := k.ring.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

func TestCloseThatTheKernelRefusesChangesNothing(t *testing.T) {
	k := newModel(t, BufRingConfig{Entries: 4, BufSize: 16}, 0)
	k.fails = syscall.EBUSY
	before := account(k.br)
	if err := k.br.Close(); !errors.Is(err, syscall.EBUSY) {
		t.Fatal(err)
	}
	equal(t, "account", account(k.br), before)
	k.fails = 0
	k.ring.unwatch()
	if err := k.br.Consume(k.receive([]byte("data"), 1), func([]byte) error { return nil }); err != nil {
		t.Fatal(err)
	}
	if err := k.br.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestOneGroupForEachBufferRing(t *testing.T) {
	s := newStage(t, BufRingConfig{Group: 65535, Entries: 2, BufSize: 16})
	other, err := s.ring.NewBufRing(BufRingConfig{Group: 0, Entries: 2, BufSize: 16})
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
