//go:build linux

package uring

import (
	"errors"
	"syscall"
	"testing"

	"github.com/uring-go/uring/cgo"
	"github.com/uring-go/uring/internal/testutil"
)

// The scenarios of incremental buffer rings: a receive takes only the part of a
// buffer that it needs, and the next one goes on behind it.

func TestScenario01_FourCompletionWalk(t *testing.T) {
	s := newStage(t, BufRingConfig{Entries: 2, BufSize: 32 << 10, Incremental: true})
	steps := []struct {
		n     int
		flags string
		at    place
		head  int
	}{
		{0x1000, "Bb", place{0, 0, 0x1000}, 0},
		{0x2000, "Bb", place{0, 0x1000, 0x2000}, 0},
		{0x5000, "B", place{0, 0x3000, 0x5000}, 1},
		{0x800, "Bb", place{1, 0, 0x800}, 1},
	}
	var held []Segment
	for _, step := range steps {
		s.send(step.n)
		c := s.recv(0, 0, 0)
		s.is(c, step.n, step.at.BID, step.flags)
		held = append(held, s.hold(c, step.at)...)
		s.head(step.head)
	}
	// A used-up entry points at its last slice, not at the buffer.
	s.entry(0, place{0, 0x3000, 0})
	s.entry(1, place{1, 0x800, 0x7800})

	s.release(held...)
	s.settled()
	equal(t, "mismatches", s.br.Stats().Mismatches, 0)
	s.submit()
	s.entry(0, place{0, 0, 0x8000}) // added anew, at position 2
}

func TestScenario02_MessageAcrossTheEndOfABuffer(t *testing.T) {
	s := walkOver(t)
	s.cancel(uint64(s.in))
	s.settled()
}

// walkOver plays scenario 2: a multishot receive of messages one of which does
// not end with its buffer.
func walkOver(t *testing.T) *stage {
	s := newTCPStage(t, BufRingConfig{Entries: 2, BufSize: 32 << 10, Incremental: true})
	s.arm(0)
	sum := 0
	next := func(res, bid int, flags string, at place) {
		t.Helper()
		c := s.next()
		s.is(c, res, bid, flags)
		s.take(c, at)
		if bid == 0 {
			sum += res
		}
	}
	s.send(0x1000)
	next(0x1000, 0, "MBb", place{0, 0, 0x1000})
	s.send(0x2010)
	next(0x2010, 0, "MBb", place{0, 0x1000, 0x2010})
	s.send(0x5000)
	next(0x4ff0, 0, "MBE", place{0, 0x3010, 0x4ff0})
	next(0x10, 1, "MBb", place{1, 0, 0x10})
	s.send(0x800)
	next(0x800, 1, "MBb", place{1, 0x10, 0x800})
	equal(t, "bytes of buffer 0", sum, 0x8000)
	return s
}

func TestScenario03_ReceivePointOutlivesTheStream(t *testing.T) {
	s := walkOver(t)
	if err := syscall.Shutdown(s.out, syscall.SHUT_WR); err != nil {
		t.Fatal(err)
	}
	c := s.next()
	s.is(c, 0, -1, "E") // the end counts as something to read
	s.ends(c)
	s.head(1)

	// Another connection goes on where the first one ended.
	s.in, s.out = testutil.TCPPair(t)
	s.arm(0)
	s.send(0x20)
	c = s.next()
	s.is(c, 0x20, 1, "MBb")
	s.take(c, place{1, 0x810, 0x20})
	s.cancel(uint64(s.in))
	s.settled()
}

func TestScenario04_OneMessageOverTwoBuffersWithoutBundle(t *testing.T) {
	s := newStage(t, BufRingConfig{Entries: 2, BufSize: 0x1000, Incremental: true})
	s.arm(0)
	s.send(0x1800)
	c := s.next()
	s.is(c, 0x1000, 0, "MB")
	s.take(c, place{0, 0, 0x1000})
	c = s.next()
	s.is(c, 0x800, 1, "MBb")
	s.take(c, place{1, 0, 0x800})
	s.cancel(uint64(s.in))
	s.settled()
}

func TestScenario05_MinLeftWritesOffAShortRest(t *testing.T) {
	s := newStage(t, BufRingConfig{Entries: 2, BufSize: 1024, Incremental: true, MinLeft: 32})
	off := 0
	for _, step := range []struct {
		n     int
		flags string
	}{{900, "Bb"}, {91, "Bb"}, {1, "Bb"}, {10, "B"}} {
		s.send(step.n)
		c := s.recv(0, 0, 0)
		s.is(c, step.n, 0, step.flags)
		s.take(c, place{0, off, step.n})
		off += step.n
	}
	s.head(1)
	equal(t, "bytes written off", s.br.Stats().Wasted, 22)

	s.send(5)
	c := s.recv(0, 0, 0)
	s.is(c, 5, 1, "Bb")
	s.take(c, place{1, 0, 5})
	s.settled()
	equal(t, "mismatches", s.br.Stats().Mismatches, 0)
}

func TestScenario06_MinLeftKeepsARestOfExactlyThat(t *testing.T) {
	s := newStage(t, BufRingConfig{Entries: 2, BufSize: 1024, Incremental: true, MinLeft: 32})
	s.send(992)
	c := s.recv(0, 0, 0)
	s.is(c, 992, 0, "Bb")
	s.take(c, place{0, 0, 992})
	s.head(0)
	s.send(5)
	c = s.recv(0, 0, 0)
	s.is(c, 5, 0, "B")
	s.take(c, place{0, 992, 5})
	s.head(1)
	equal(t, "bytes written off", s.br.Stats().Wasted, 27)
	s.settled()
	equal(t, "mismatches", s.br.Stats().Mismatches, 0)
}

func TestScenario07_MinLeftIsRefusedWithAReason(t *testing.T) {
	ring, err := New(Config{})
	if err != nil {
		t.Fatal(err)
	}
	defer ring.Close()

	t.Run("without Incremental", func(t *testing.T) {
		_, err := ring.NewBufRing(BufRingConfig{Entries: 2, BufSize: 1024, MinLeft: 32})
		equal(t, "error", text(err), "uring: BufRingConfig.MinLeft is 32, but only an incremental ring keeps a rest: set Incremental, or leave it 0")
	})
	t.Run("on a kernel without it", func(t *testing.T) {
		testutil.Need(t, HaveIncremental)
		replaceProbe(t, &probeMinLeft, lacking("minimum left in incremental buffers", 7, 1))
		c := BufRingConfig{Entries: 2, BufSize: 1024, Incremental: true, MinLeft: 32}
		_, err := ring.NewBufRing(c)
		if !errors.Is(err, ErrNotSupported) {
			t.Fatal(err)
		}
		equal(t, "error", text(err), "uring: minimum left in incremental buffers not supported (needs Linux 7.1 or later)")

		// What a program falls back to; 1 asks nothing of the kernel.
		c.MinLeft = 1
		br, err := ring.NewBufRing(c)
		if err != nil {
			t.Fatal(err)
		}
		if err := br.Close(); err != nil {
			t.Fatal(err)
		}
	})
}

// recvMsg sets up a multishot receive of messages whatever the package says.
func (s *stage) recvMsg(m *Msg) {
	s.Helper()
	s.queue(uint64(s.in), func(q SQE) {
		q.prepMsg(cgo.OpRecvMsg, FD(s.in), m, 0)
		q.selectBuffer(s.br, 0, cgo.RecvMultishot)
	})
	s.submit()
}

func TestScenario08_MessagesNeedRoomForTheirHeader(t *testing.T) {
	const payload, header = 30, recvMsgHeader + 16 // room for the source address
	newMsg := func() *Msg {
		m := NewMsg()
		a, err := InetAddr(localhost)
		if err != nil {
			t.Fatal(err)
		}
		m.SetAddr(a) // an address of 16 bytes, no more
		return m
	}
	in, out := testutil.UDPPair(t)

	t.Run("refused without MinLeft", func(t *testing.T) {
		s := stageOn(t, Config{}, BufRingConfig{Entries: 4, BufSize: 128, Incremental: true}, in, out)
		q, err := s.NextSQE()
		if err != nil {
			t.Fatal(err)
		}
		err = q.PrepRecvMsgMultishot(FD(in), s.br, newMsg(), 0)
		equal(t, "error", text(err), "uring: an incremental buffer ring for messages needs BufRingConfig.MinLeft of at least the header, 32, and the largest payload: it is 0")
		s.none() // the refused entry does nothing
	})
	t.Run("because every receive fails once the rest is too short", func(t *testing.T) {
		s := stageOn(t, Config{}, BufRingConfig{Entries: 4, BufSize: 128, Incremental: true}, in, out)
		m := newMsg()
		s.recvMsg(m)
		for off := range 2 {
			writeAll(s, out, stream(0, payload))
			c := s.next()
			s.is(c, header+payload, 0, "MBb")
			s.message(m, c, place{0, off * (header + payload), header + payload}, payload)
		}
		writeAll(s, out, stream(0, payload))
		s.is(s.next(), -int(syscall.EFAULT), -1, "")
		s.recvMsg(m)
		s.is(s.next(), -int(syscall.EFAULT), -1, "")
		s.head(0)
		s.drain()
	})
	t.Run("never with it", func(t *testing.T) {
		s := stageOn(t, Config{}, BufRingConfig{Entries: 4, BufSize: 128, Incremental: true, MinLeft: header + payload}, in, out)
		m := newMsg()
		s.queue(uint64(in), func(q SQE) { s.must(q.PrepRecvMsgMultishot(FD(in), s.br, m, 0)) })
		for i := range 20 {
			writeAll(s, out, stream(0, payload))
			c := s.next()
			flags, bid, off := "MBb", i/2%4, i%2*(header+payload)
			if i%2 == 1 {
				flags = "MB"
			}
			s.is(c, header+payload, bid, flags)
			s.message(m, c, place{bid, off, header + payload}, payload)
			s.submit()
		}
		s.cancel(uint64(in))
		s.settled()
		equal(t, "bytes written off", s.br.Stats().Wasted, 10*4)
	})
}

// message takes one message from c and checks its parts.
func (s *stage) message(m *Msg, c CQE, at place, payload int) {
	s.Helper()
	err := s.br.Consume(c, func(p []byte) error {
		equal(s, "place", s.place(p), at)
		got, err := m.Parse(p)
		if err != nil {
			return err
		}
		equal(s, "payload", string(got.Payload), string(stream(0, payload)))
		from, ok := got.AddrPort()
		if !ok || from.Addr() != localhost.Addr() {
			s.Errorf("message from %v", from)
		}
		return nil
	})
	if err != nil {
		s.Fatal(err)
	}
}

// drain throws away what the socket holds.
func (s *stage) drain() {
	p := make([]byte, 64<<10)
	for {
		if _, _, err := syscall.Recvfrom(s.in, p, syscall.MSG_DONTWAIT); err != nil {
			return
		}
	}
}

func TestScenario09_TwoConnectionsShareABuffer(t *testing.T) {
	s := newStage(t, BufRingConfig{Entries: 2, BufSize: 16, Incremental: true})
	a, toA := s.in, s.out
	b, toB := streamPair(t)
	s.armOn(a, 0)
	s.armOn(b, 0)

	receive := func(fd, to int, bytes string, flags string, off int) Segment {
		t.Helper()
		writeAll(s, to, []byte(bytes))
		c := s.next()
		s.is(c, len(bytes), 0, flags)
		equal(t, "connection", c.UserData, uint64(fd))
		var held Segment
		for seg, err := range s.br.Segments(c) {
			if err != nil {
				t.Fatal(err)
			}
			equal(t, "bytes", string(seg.Bytes), bytes)
			equal(t, "place", s.place(seg.Bytes), place{0, off, len(bytes)})
			held = seg
		}
		return held
	}
	a1 := receive(a, toA, "AAAA", "MBb", 0)
	b1 := receive(b, toB, "BBBBBB", "MBb", 4)
	a2 := receive(a, toA, "CC", "MBb", 10)
	equal(t, "shared buffer", string(s.br.buffer(0)[:12]), "AAAABBBBBBCC")

	// Used up and let go of by one connection, the buffer still belongs to the
	// other.
	a3 := receive(a, toA, "DDDD", "MB", 12)
	s.release(a2, a1, a3)
	s.submit()
	equal(t, "in the kernel", s.br.Stats().InKernel, 1)
	equal(t, "lent", s.br.Stats().Lent, 1)
	s.head(1)
	if n, err := s.br.Available(); err == nil {
		equal(t, "available", n, 1)
	}
	equal(t, "kept slice", string(b1.Bytes), "BBBBBB")

	s.release(b1)
	s.submit()
	equal(t, "in the kernel", s.br.Stats().InKernel, 2)
	s.cancel(uint64(a))
	s.cancel(uint64(b))
	s.settled()
}
