//go:build linux

package uring

import (
	"strings"
	"syscall"
	"testing"

	"github.com/uring-go/uring/internal/kernel"
)

// The account of who has which buffer must hold whatever the program does while
// it looks at a completion, and in whichever order completions come.

func TestCompletionsMayBeHandledWhileAnotherIsLookedAt(t *testing.T) {
	for _, c := range []struct {
		name        string
		incremental bool
		bytes       int // in buffers of 16
	}{
		{"classic", false, 48},
		{"incremental", true, 40},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := newBundleStage(t, BufRingConfig{Entries: 4, BufSize: 16, Incremental: c.incremental})
			s.send(c.bytes)
			outer := s.recv(0, syscall.MSG_DONTWAIT, Bundle)
			n := int(outer.Res)
			if n != c.bytes && !hasLinux(t, kernel.V(6, 15)) { // one that leaves a buffer that it would not fill
				equal(t, "result", n, c.bytes&^15)
			} else {
				equal(t, "result", n, c.bytes)
			}
			s.send(10)
			var inner []CQE
			for left := s.sent - n; left > 0; {
				inner = append(inner, s.recv(0, syscall.MSG_DONTWAIT, Bundle))
				left -= int(inner[len(inner)-1].Res)
			}

			at := 0
			for seg, err := range s.br.Segments(outer) {
				if err != nil {
					t.Fatal(err)
				}
				equal(t, "bytes", string(seg.Bytes), string(stream(at, len(seg.Bytes))))
				s.release(seg)
				if at == 0 {
					s.got = n
					for _, cqe := range inner {
						s.take(cqe, s.places(s.got, int(cqe.Res))...)
					}
					s.submit() // gives back what is free, and nothing else
				}
				at += len(seg.Bytes)
			}
			equal(t, "bytes", at, n)
			equal(t, "bytes in all", s.got, s.sent)
			s.settled()
			if wrong, err := bugBundleBufMore.check(); wrong == "" {
				s.must(err)
				wrong, err := bugShortened.check()
				s.must(err)
				left := c.incremental && n != c.bytes && wrong != "" // the buffer that was left is said to be used up
				equal(t, "mismatches", s.br.Stats().Mismatches, map[bool]uint64{true: 1}[left])
			}
		})
	}
}

// places are where n bytes at an offset of the stream lie if nothing was wasted
// and buffers were used in the order of their numbers.
func (s *stage) places(off, n int) []place {
	var list []place
	for size := s.br.BufSize(); n > 0; {
		part := min(n, size-off%size)
		list = append(list, place{off / size, off % size, part})
		off += part
		n -= part
	}
	return list
}

// The order in which a bundle's buffers were in the ring holds for as long as
// it is looked at, however far the ring gets meanwhile.
func TestBundleIsWalkedWhileOtherBuffersGoRound(t *testing.T) {
	s := newBundleStage(t, BufRingConfig{Entries: 4, BufSize: 16})
	s.send(48)
	outer := s.recv(0, syscall.MSG_DONTWAIT, Bundle)
	s.is(outer, 48, 0, "B")
	at := 0
	for seg, err := range s.br.Segments(outer) {
		if err != nil {
			t.Fatal(err)
		}
		equal(t, "place", s.place(seg.Bytes), place{at / 16, 0, 16})
		equal(t, "bytes", string(seg.Bytes), string(stream(at, 16)))
		s.release(seg)
		at += 16
		s.got = max(s.got, 48)
		for range 5 {
			s.send(16)
			s.consume(s.recv(0, 0, 0))
		}
	}
	s.settled()
	s.available(4)
}

// A request in a worker thread has taken its buffer and waits; meanwhile the
// other buffer goes round and round past its place in the ring.
func TestBufferHeldByAWorkerIsFoundWhenItsTurnHasLongPassed(t *testing.T) {
	s := newStage(t, BufRingConfig{Entries: 2, BufSize: 16})
	slow, toSlow := streamPair(t)
	s.async(slow)
	s.waitHead(1)

	for i := range 7 {
		s.send(16)
		c := s.recv(0, 0, 0)
		s.is(c, 16, 1, "B")
		s.take(c, place{1, 0, 16})
		equal(t, "in the kernel", s.br.Stats().InKernel, 2)
		s.submit()
		s.waitHead(2 + i)
		s.balanced()
	}
	writeAll(s, toSlow, []byte("late"))
	c := s.next()
	s.is(c, 4, 0, "B")
	for seg, err := range s.br.Segments(c) {
		if err != nil {
			t.Fatal(err)
		}
		equal(t, "bytes", string(seg.Bytes), "late")
		equal(t, "place", s.place(seg.Bytes), place{0, 0, 4})
		s.release(seg)
	}
	s.settled()

	// Both buffers take part again.
	for range 4 {
		s.send(16)
		s.consume(s.recv(0, 0, 0))
	}
	s.settled()
}

func TestRingMayCloseWhileACompletionIsLookedAt(t *testing.T) {
	s := newBundleStage(t, BufRingConfig{Entries: 4, BufSize: 16})
	s.send(64)
	c := s.recv(0, syscall.MSG_DONTWAIT, Bundle)
	s.is(c, 64, 0, "B")
	for seg, err := range s.br.Segments(c) {
		if err != nil {
			t.Fatal(err)
		}
		s.inStream(seg.Bytes)
		s.release(seg)
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
	equal(t, "bytes received", s.got, 64)
	equal(t, "lent", s.br.Stats().Lent, 0)
}

// The same walk with the last message as long as the first, each byte of both
// buffers looked at where it must lie.
func TestIncrementalWalkOverTwoBuffersOf32KiB(t *testing.T) {
	s := newStage(t, BufRingConfig{Entries: 2, BufSize: 32 << 10, Incremental: true})
	walk := []struct {
		n     int
		at    place
		flags string
	}{
		{0x1000, place{0, 0x0000, 0x1000}, "Bb"},
		{0x2000, place{0, 0x1000, 0x2000}, "Bb"},
		{0x5000, place{0, 0x3000, 0x5000}, "B"},
		{0x1000, place{1, 0x0000, 0x1000}, "Bb"},
	}
	var held []Segment
	for _, w := range walk {
		s.send(w.n)
		c := s.recv(0, 0, 0)
		s.is(c, w.n, w.at.BID, w.flags)
		held = append(held, s.hold(c, w.at)...)
	}
	// Later receives have left the bytes of earlier ones alone.
	equal(t, "first buffer", string(s.br.buffer(0)), string(stream(0, 0x8000)))
	equal(t, "second buffer", string(s.br.buffer(1)[:0x1000]), string(stream(0x8000, 0x1000)))
	equal(t, "behind the receive point", string(s.br.buffer(1)[0x1000:]), strings.Repeat("\x00", 0x7000))
	equal(t, "stats", s.br.Stats(), BufRingStats{Completions: 4, Bytes: 0x9000, Buffers: 1, Lent: 4, InKernel: 1})

	s.release(held...)
	s.settled()
}

// Each part of a bundle is as long as its own buffer has room, not as the
// others have, nor as is left of the bundle.
func TestBundleIsCutAtTheRoomOfEachBuffer(t *testing.T) {
	s := newBundleStage(t, BufRingConfig{Entries: 4, BufSize: 100, Incremental: true})
	s.arm(Bundle)
	s.send(70)
	_, a := s.bundle(70, place{0, 0, 70})
	s.send(225)
	_, b := s.bundle(225, place{0, 70, 30}, place{1, 0, 100}, place{2, 0, 95})
	s.send(8)
	_, c := s.bundle(8, place{2, 95, 5}, place{3, 0, 3})
	s.cancel(uint64(s.in))
	for _, segs := range [][]Segment{c, b, a} {
		s.release(segs...)
	}
	s.settled()
}
