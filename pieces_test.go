package uring

import "testing"

// separately keeps buffers that lie side by side apart when they are sent,
// until the test ends.
func separately(t testing.TB) {
	old := maxRun
	maxRun = 0
	t.Cleanup(func() { maxRun = old })
}

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
