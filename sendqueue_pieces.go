package uring

import (
	"github.com/uring-go/uring/internal/arena"
)

// A piece is memory that waits to be sent: a run of the queue's own memory, or
// of the buffers of a ring, with a hold on each of them.
type piece struct {
	addr uint64
	n    uint32
	own  uint32   // bytes of the queue's own memory to free with it
	br   *BufRing // whose buffers they are, or nil
	bid  uint16   // the first buffer
	bids uint16   // how many there are, one after the other
	reg  int16    // the registered buffer it lies in, or unregistered

	copied bool // it lies in copies of br, and bid and bids are chunks of those
}

const unregistered = -1

// maxPiece bounds what adjacent pieces are merged to.
const maxPiece = 1 << 30

// maxRun bounds a piece of several buffers, which go back together. Tests of
// what the kernel does with many small ones set it to 0.
var maxRun uint32 = 64 << 10

// pieces is a queue of pieces. Positions count up for ever.
type pieces struct {
	ring  []piece // a power of two long
	free  uint32  // the first piece whose memory is still in use
	sent  uint32  // the first piece with bytes that were not sent
	off   uint32  // how many of its bytes were
	armed uint32  // pieces before it are with the kernel and must not change
	tail  uint32
	bytes int // not yet sent
}

func (q *pieces) at(pos uint32) *piece { return &q.ring[pos&uint32(len(q.ring)-1)] }

// push adds a piece, or lengthens the last one if p follows it in memory. It
// reports whether the lengthened piece already holds p's first buffer.
func (q *pieces) push(p piece) (held bool) {
	q.bytes += int(p.n)
	if q.tail != q.armed {
		if last := q.at(q.tail - 1); last.addr+uint64(last.n) == p.addr {
			if held, ok := last.merge(p); ok {
				return held
			}
		}
	}
	if q.tail-q.free == uint32(len(q.ring)) {
		q.grow()
	}
	*q.at(q.tail) = p
	q.tail++
	return false
}

// merge appends p, which follows in memory, if it is of the same kind.
func (last *piece) merge(p piece) (held, ok bool) {
	if last.br != p.br || last.copied != p.copied || last.reg != p.reg || last.n+p.n > maxPiece {
		return false, false
	}
	if p.br != nil {
		if held = p.bid == last.bid+last.bids-1; !held && last.n+p.n > maxRun {
			return false, false
		}
		last.bids += p.bids
		if held {
			last.bids--
		}
	}
	last.n += p.n
	last.own += p.own
	return held, true
}

// grow doubles the room. What pieces there can be is bounded by the memory
// they lie in, so this ends.
func (q *pieces) grow() {
	old := *q
	q.ring = make([]piece, max(2*len(old.ring), 16))
	for pos := old.free; pos != old.tail; pos++ {
		*q.at(pos) = *old.at(pos)
	}
}

// advance moves the point up to which bytes were sent.
func (q *pieces) advance(n int) {
	q.bytes -= n
	for left := uint32(n); left > 0; {
		rest := q.at(q.sent).n - q.off
		if left < rest {
			q.off += left
			return
		}
		left -= rest
		q.sent++
		q.off = 0
	}
}

// span returns how many bytes lie between the point up to which bytes were
// sent and position end.
func (q *pieces) span(end uint32) int {
	n := -int(q.off)
	for pos := q.sent; pos != end; pos++ {
		n += int(q.at(pos).n)
	}
	return max(n, 0)
}

// outMemory is the queue's own memory, used round and round.
type outMemory struct {
	arena    *Arena
	reg      RegBuf
	mem      []byte
	w, r     uint64 // bytes ever written, and ever freed
	reserved int    // bytes lent by Reserve
	pad      int    // bytes skipped before them
}

func (m *outMemory) regIndex() int16 {
	if m.reg.arena == nil {
		return unregistered
	}
	return int16(m.reg.index)
}

// startOver ends a reservation, and goes back to the start of the memory when
// none of it is in use: otherwise a large reservation might never find room.
func (m *outMemory) startOver() {
	m.reserved = 0
	if m.w == m.r {
		m.w, m.r = 0, 0
	}
}

// room returns the memory that is free after the last byte written, without
// wrapping around.
func (m *outMemory) room() []byte {
	if len(m.mem) == 0 {
		return nil
	}
	free := uint64(len(m.mem)) - (m.w - m.r)
	at := m.w % uint64(len(m.mem))
	return m.mem[at:min(at+free, uint64(len(m.mem)))]
}

// take makes a piece of the first n bytes of room, after skipping pad bytes.
func (m *outMemory) take(pad, n int) piece {
	at := (m.w + uint64(pad)) % uint64(len(m.mem))
	m.w += uint64(pad + n)
	return piece{
		addr: arena.Addr(m.mem) + at, n: uint32(n), own: uint32(pad + n), reg: m.regIndex(),
	}
}

// bytes returns the memory of a piece that take made.
func (m *outMemory) bytes(p *piece) []byte {
	return m.mem[p.addr-arena.Addr(m.mem):][:p.n]
}
