//go:build linux

package uring

import (
	"testing"

	"github.com/uring-go/uring/internal/testutil"
)

// Buffers that lie side by side are one piece, up to a bound, and each of them
// is released once.
func TestPiecesJoinBuffersThatLieSideBySide(t *testing.T) {
	var q pieces
	br := &BufRing{}
	push := func(addr uint64, n uint32, bid, bids uint16) bool {
		return q.push(piece{addr: addr, n: n, br: br, bid: bid, bids: bids, reg: unregistered})
	}
	for i, c := range []struct {
		addr      uint64
		n         uint32
		bid, bids uint16
		held      bool
		pieces    uint32
		last      uint16 // buffers of the last piece
	}{
		{0x1000, 0x100, 1, 1, false, 1, 1},
		{0x1100, 0x100, 1, 1, true, 1, 1}, // the same buffer, further on
		{0x1200, 0x200, 2, 2, false, 1, 3},
		{0x1400, 0x200, 3, 2, true, 1, 4},
		{0x1700, 0x100, 5, 1, false, 2, 1}, // a gap
		{0x1600, 0x100, 4, 1, false, 3, 1}, // backwards
		{0x1700, maxRun, 5, 9, false, 4, 9},
	} {
		if held := push(c.addr, c.n, c.bid, c.bids); held != c.held {
			t.Errorf("push %d: held %v", i, held)
		}
		if q.tail != c.pieces || q.at(q.tail-1).bids != c.last {
			t.Errorf("push %d: %d pieces, the last of %d buffers, want %d and %d", i, q.tail, q.at(q.tail-1).bids, c.pieces, c.last)
		}
	}
}

// What lies behind the last piece in memory lengthens it, unless the kernel has
// that piece already.
func TestAdjacentPiecesAreMerged(t *testing.T) {
	eachSendMode(t, func(t *testing.T, mode SendMode) {
		s := newSender(t, SendQueueConfig{Mode: mode, Memory: 1000, ZCAlways: true})
		pieces := func() int { return int(s.q.out.tail - s.q.out.free) }
		s.put(100)
		s.put(100)
		s.reserve(100)
		s.commit(50)
		s.put(10)
		equal(t, "pieces", pieces(), 1)
		s.must(s.q.Flush()) // it is with the kernel now
		s.put(100)
		equal(t, "pieces", pieces(), 2)
		s.put(100)
		equal(t, "pieces", pieces(), 2)
		s.complete(s.next(), 260)
		s.finish()
		s.arrives(460)
		s.released()
		equal(t, "pieces sent", s.q.Stats().Pieces, 2)
	})
}

// Slices of one buffer of an incremental ring are one piece as well, with one
// hold on it; slices of others are not.
func TestSlicesOfABufferAreMerged(t *testing.T) {
	testutil.Need(t, HaveIncremental)
	eachSendMode(t, func(t *testing.T, mode SendMode) {
		s := newSender(t, SendQueueConfig{Mode: mode, ZCAlways: true})
		s.feeds(BufRingConfig{Entries: 4, BufSize: 100, Incremental: true, Registered: mode.zeroCopy()})
		s.forward(3, 30)
		s.holds(1)
		equal(t, "pieces", s.q.out.tail, 1)
		s.forward(1, 10) // the buffer's end
		equal(t, "pieces", s.q.out.tail, 1)
		s.forward(1, 10)
		equal(t, "pieces", s.q.out.tail, 2)
		s.holds(2)
		seg := s.segments(10)[0]
		s.holds(3)
		s.must(s.q.Flush())
		s.must(s.q.Append(seg))
		grown := uint32(2)
		if mode == SendVectored || mode.provided() || mode == SendZCGather && HaveSendMsgZCFixed() == nil {
			grown = 3 // the kernel has the second piece
		}
		equal(t, "pieces", s.q.out.tail, grown)
		s.holds(int(grown))
		s.finish()
		s.arrives(120)
		s.holds(0)
	})
}
